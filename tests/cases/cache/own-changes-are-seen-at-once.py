#!/usr/bin/env python3
"""Nothing of ours is ever seen late by ourselves: sizes, times, modes, names, links."""
import os
import ontapfs_test as t

f = t.CASE + "/f"
fd = os.open(f, os.O_RDWR | os.O_CREAT)
other = os.open(f, os.O_RDONLY)
for i in range(1, 30):
    os.pwrite(fd, b"%d" % (i % 10), i * 1000)
    t.eq(os.fstat(other).st_size, i * 1000 + 1, "size after write")
    t.eq(os.stat(f).st_size, i * 1000 + 1, "size by name")
    t.eq(os.pread(other, 1, i * 1000), b"%d" % (i % 10), "bytes by the other descriptor")
os.ftruncate(fd, 5)
t.eq((os.stat(f).st_size, os.pread(other, 100, 0)), (5, b"\0" * 5), "after truncate")
os.fchmod(fd, 0o600)
t.eq(os.stat(f).st_mode & 0o777, 0o600, "mode")
for i in range(20):
    os.link(f, "%s/l%d" % (t.CASE, i))
    t.eq(os.stat(f).st_nlink, i + 2, "nlink grows")
for i in range(20):
    os.unlink("%s/l%d" % (t.CASE, i))
    t.eq(os.stat(f).st_nlink, 20 - i, "nlink shrinks")
before = os.stat(t.CASE).st_mtime_ns
os.mkdir(t.CASE + "/d")
t.ok(os.stat(t.CASE).st_mtime_ns >= before, "the directory's mtime moves on")
t.eq(os.stat(t.CASE).st_nlink, 3 if os.stat(t.CASE).st_nlink > 1 else 1, "nlink of the directory")
os.close(fd)
os.close(other)
