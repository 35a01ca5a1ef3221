#!/usr/bin/env python3
"""One of two data LIFs swallows everything: reading goes on by the other one, and writing as soon as it is back."""
# needs: own-mount
# not-on: ganesha (it serves one address here)
import os
import ontapfs_test as t

with t.proxied_mount(sim_args=("--lifs", "2")) as (sim, gw, proxy):
    data = b"".join(t.stamped(i) for i in range(256))
    os.chdir(gw.mnt + "/project1")
    for i in range(8):
        t.write("f%d" % i, data)
    for dark in (0, 1):
        proxy.tell("blackhole on %d" % dark)
        for i in range(8):
            fd = os.open("f%d" % i, os.O_RDONLY | os.O_DIRECT)
            t.ok(os.pread(fd, len(data), 0) == data, "bytes")
            os.close(fd)
        proxy.tell("blackhole off")
        for i in range(8):
            t.write("g%d" % i, data[i:])
            t.ok(t.read(sim.path() + "/g%d" % i) == data[i:], "what is written afterwards")
    os.chdir("/")
