#!/usr/bin/env python3
"""A part of a large read fails: the reader gets the error, never zeros in its place; afterwards it reads well."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.proxied_mount() as (sim, gw, proxy):
    data = b"".join(t.stamped(i) for i in range(512))
    t.write(sim.path() + "/f", data)
    path = gw.mnt + "/project1/f"
    for skip in range(0, 8):
        fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if skip % 2 else 0))
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        proxy.tell("on READ call status IO skip %d count 1" % skip)
        at, failed = 0, 0
        while at < len(data):
            try:
                got = os.pread(fd, 1 << 20, at)
            except OSError as e:
                t.eq(e.errno, errno.EIO, "the error")
                failed += 1
                t.ok(failed < 4, "it ends")
                continue
            t.ok(got and got == data[at:at + len(got)], "bytes at %d, part %d failed" % (at, skip))
            at += len(got)
        os.close(fd)
        proxy.tell("clear")
    t.ok(proxy.seen("hits") >= 4, "the rules applied")
