#!/usr/bin/env python3
"""Replies are cut off after any number of bytes: every answer is right all the same, and the daemon stays."""
# needs: own-mount
import os
import ontapfs_test as t

with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    daemon = gw.process()
    data = b"".join(t.stamped(i) for i in range(32))
    os.mkdir(sim.path() + "/d")
    t.write(sim.path() + "/d/f", data)
    for i in range(20):
        t.write(sim.path() + "/d/%d" % i, b"")
    os.chdir(gw.mnt + "/project1/d")
    names = sorted(os.listdir("."))

    def read_all():
        fd = os.open("f", os.O_RDONLY | os.O_DIRECT)
        got = os.pread(fd, len(data), 0)
        os.close(fd)
        t.ok(got == data, "bytes")

    hits = 0
    for proc, fn, cuts in (("READ", read_all, [*range(0, 160, 9), 3000, 65536]),
                           ("GETATTR", lambda: os.stat("f"), range(0, 120, 13)),
                           ("READDIRPLUS", lambda: t.eq(sorted(os.listdir(".")), names, "names"), range(0, 900, 61)),
                           ("ACCESS", read_all, range(0, 120, 17)),
                           ("LOOKUP", lambda: t.expect(2, os.stat, "missing"), range(0, 120, 17))):
        for cut in cuts:
            proxy.tell("on %s reply cut %d" % (proc, cut))
            fn()
            proxy.tell("clear")
        now = proxy.seen("hits")
        t.ok(now > hits, proc + ": the rule applied")
        hits = now
    t.eq(gw.process(), daemon, "the daemon")
    os.chdir("/")
