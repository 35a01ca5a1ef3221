#!/usr/bin/env python3
"""Replies overtake each other on the wire: to those who stat while a file grows, here and elsewhere, size, mtime and ctime never go back, and st_ino never changes."""
# needs: own-mount
# time-limit: 180
import os
import ontapfs_test as t

APPENDS, READERS = 120, 3


def watch(path, end, opened):
    """Stats until `end` is there; returns how often, or raises."""
    seen, n, fd = None, 0, os.open(path, os.O_RDONLY) if opened else -1
    while True:
        last = os.path.exists(end)
        st = os.fstat(fd) if opened else os.stat(path)
        now = (st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        if seen:
            for what, before, after in zip(("size", "mtime", "ctime"), seen[0], now):
                t.ok(after >= before, "%s went back from %d to %d" % (what, before, after))
            t.eq(st.st_ino, seen[1], "st_ino")
        seen, n = (now, st.st_ino), n + 1
        if last:
            return n


with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    for where in (gw.mnt + "/project1", sim.path()):
        path, end = where + "/log", t.WORK + "/end"
        t.write(sim.path() + "/log", "x")
        for proc in ("GETATTR", "LOOKUP", "WRITE", "ACCESS", "READ"):
            proxy.tell("on %s reply reorder skip 2 count 0" % proc)
        pids = []
        for i in range(READERS):
            pid = os.fork()
            if pid == 0:
                try:
                    watch(gw.mnt + "/project1/log", end, i % 2 == 1)
                    os._exit(0)
                except BaseException as e:  # noqa: B902  the parent tells it
                    t.write(t.WORK + "/said%d" % i, repr(e))
                    os._exit(1)
            pids.append(pid)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            for i in range(APPENDS):
                os.write(fd, b"%06d\n" % i)
        finally:
            os.close(fd)
            proxy.tell("clear")
            t.write(end, "")
            ends = [os.waitpid(p, 0)[1] for p in pids]
        for i, status in enumerate(ends):
            t.eq(status, 0, "reader %d: %s" % (i, t.tail(t.WORK + "/said%d" % i)))
        t.wait_for(lambda: os.stat(gw.mnt + "/project1/log").st_size == 1 + 7 * APPENDS, "the size in the end")
        os.unlink(end)
