#!/usr/bin/env python3
"""JUKEBOX of any call is waited out with growing pauses, not by hammering; who waits can be killed, and a soft mount ends it at its deadline."""
# needs: own-mount
import errno
import json
import os
import signal
import subprocess
import time
import ontapfs_test as t

with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    v = gw.mnt + "/project1"
    os.chdir(v)
    t.write("f", b"x" * 5000)
    for proc, fn in (("READ", lambda: t.read("f")), ("WRITE", lambda: t.write("f", "y", os.O_WRONLY)),
                     ("CREATE", lambda: t.write("new", "z")), ("REMOVE", lambda: os.unlink("new")),
                     ("SETATTR", lambda: os.chmod("f", 0o640)), ("RENAME", lambda: os.rename("f", "f")),
                     ("READDIRPLUS", lambda: os.listdir("."))):
        hits = proxy.seen("hits")
        proxy.tell("on %s call status JUKEBOX count 1" % proc)
        fn()
        t.ok(proc == "RENAME" or proxy.seen("hits") == hits + 1, proc + ": the rule applied")
        proxy.tell("clear")
    # Without end: the pauses are 0.2, 0.4, ... 5 s, so in any time T fewer calls than 5 T + 2 come.
    proxy.tell("on GETATTR call status JUKEBOX count 0")
    proxy.tell("on LOOKUP call status JUKEBOX count 0")
    hits, begin = proxy.seen("hits"), time.monotonic()
    p = subprocess.Popen(["cat", v + "/f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    proxy.wait("hits", hits + 3)
    asked, passed = proxy.seen("hits") - hits, time.monotonic() - begin
    t.ok(asked <= 5 * passed + 2, "%d calls in %.2f s" % (asked, passed))
    p.send_signal(signal.SIGINT)
    t.eq(p.wait(30), -signal.SIGINT, "Ctrl-C ends who waits for it")
    proxy.tell("clear")
    t.eq(t.read("f")[:1], b"y", "afterwards")
    os.chdir("/")
    with open(proxy.backend, encoding="utf-8") as f:
        config = dict(json.load(f), nfsMountOptions="soft,timeo=10,retrans=2")
    with open(os.open(t.WORK + "/soft.json", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
        json.dump(config, f)
    with t.Gateway(t.WORK + "/soft.json", t.WORK + "/soft", "attr_timeout=0") as soft:
        f = soft.mnt + "/project1/f"
        t.eq(t.read(f)[:1], b"y", "soft")
        proxy.tell("on READ call status JUKEBOX count 0")
        fd = os.open(f, os.O_RDONLY | os.O_DIRECT)
        t.expect((errno.EIO, errno.ETIMEDOUT), os.pread, fd, 4096, 0)
        proxy.tell("clear")
        t.eq(os.pread(fd, 1, 0), b"y", "the same file afterwards")
        os.close(fd)
