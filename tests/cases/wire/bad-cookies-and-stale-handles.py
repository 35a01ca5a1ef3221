#!/usr/bin/env python3
"""BAD_COOKIE in the midst of a listing, STALE, BADHANDLE and SERVERFAULT of any call: the errno once, never a wrong or a silently short answer, and all is well afterwards."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

N = 3000

with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    v, store = gw.mnt + "/project1", sim.path()
    os.mkdir(store + "/d")
    want = {"entry-%05d-of-a-directory" % i for i in range(N)}
    for n in want:
        t.write(store + "/d/" + n, "")
    t.write(store + "/f", b"x" * 300000)

    def once(rule):
        proxy.tell("clear")
        proxy.tell("on " + rule)
        return proxy.seen("hits")

    for skip in (1, 2):
        for status in ("BAD_COOKIE", "STALE", "SERVERFAULT", "IO"):
            hits = once("READDIRPLUS call status %s skip %d count 1" % (status, skip))
            try:
                t.eq(set(os.listdir(v + "/d")), want, "a listing over " + status)
            except OSError as e:
                t.ok(e.errno in (errno.ESTALE, errno.EIO), "listing over %s: %s" % (status, e))
            t.ok(proxy.seen("hits") > hits, "the rule applied: " + status)
            proxy.tell("clear")
            t.eq(set(os.listdir(v + "/d")), want, "the next listing")
    # The server's cookies are others than before, all the while: an error, no endless loop.
    once("READDIRPLUS call status BAD_COOKIE skip 1 count 0")
    t.expect((errno.ESTALE, errno.EIO), os.listdir, v + "/d")

    fd = os.open(v + "/f", os.O_RDWR | os.O_DIRECT)
    for status, want_errno in (("STALE", errno.ESTALE), ("BADHANDLE", errno.ESTALE), ("SERVERFAULT", errno.EIO),
                               ("IO", errno.EIO), ("NXIO", errno.ENXIO), ("NODEV", errno.ENODEV)):
        for proc, fn in (("READ", lambda: os.pread(fd, 4096, 0)), ("WRITE", lambda: os.pwrite(fd, b"y" * 4096, 0)),
                         ("SETATTR", lambda: os.fchmod(fd, 0o600)), ("FSSTAT", lambda: os.statvfs(v))):
            if proc == "FSSTAT" and want_errno == errno.ESTALE:
                continue  # by path: see below
            hits = once("%s call status %s count 1" % (proc, status))
            t.eq(t.name_of(t.errno_of(fn)), t.name_of(want_errno), "%s says %s" % (proc, status))
            t.eq(proxy.seen("hits"), hits + 1, "asked once: %s" % proc)
            proxy.tell("clear")
            t.eq(t.errno_of(fn), 0, proc + " afterwards")
    # A stale handle on the way of a path is looked up again by its name, once: nobody need hear of it.
    for proc in ("LOOKUP", "GETATTR", "ACCESS", "FSSTAT"):
        once("%s call status STALE count 1" % proc)
        t.eq(len(t.read(v + "/f")), 300000, "after one STALE of " + proc)
        t.ok(os.statvfs(v).f_bsize, "after one STALE of " + proc)
    proxy.tell("clear")
    os.close(fd)
