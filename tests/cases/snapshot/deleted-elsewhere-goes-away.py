#!/usr/bin/env python3
"""A snapshot deleted on another host leaves listing and lookups within the refresh time; readers never get other bytes."""
import errno
import os
import ontapfs_test as t

data = os.urandom(1 << 20)
t.write(t.CASE + "/f", data)
p = t.take("a")
with t.second_mount("snapshot_refresh=1") as b:
    held = os.open(t.in_snap("a", mnt=b.mnt) + "/f", os.O_RDONLY)
    t.eq(os.pread(held, 4096, 0), data[:4096], "B reads")
    t.drop(p)
    t.wait_for(lambda: t.SNAP + "a" not in os.listdir(b.mnt + "/project1/.snapshots"), "it leaves B's listing", 20)
    t.wait_for(lambda: not os.path.exists(t.snap("a", mnt=b.mnt)), "it leaves B's lookups", 20)
    at = 0
    try:
        while at < len(data):  # what is cached is told first, as far as it goes
            got = os.pread(held, len(data), at)
            t.ok(got and got == data[at:at + len(got)], "the frozen bytes at %d" % at)
            at += len(got)
    except OSError as e:
        t.eq(e.errno, errno.ESTALE, "old descriptor")
    os.close(held)
