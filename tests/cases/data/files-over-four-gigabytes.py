#!/usr/bin/env python3
"""Offsets beyond 32 bits are true; holes read as zeros and take no space."""
import os
import ontapfs_test as t

f = t.CASE + "/big"
fd = os.open(f, os.O_RDWR | os.O_CREAT)
spots = [0, 2 ** 31 - 7, 2 ** 32 - 5, 2 ** 32 + 12345, 5 * 2 ** 30]
for i, off in enumerate(spots):
    t.eq(os.pwrite(fd, b"spot-%d-spot" % i, off), 11, "bytes written")
t.eq(os.fstat(fd).st_size, spots[-1] + 11, "size")
for i, off in enumerate(spots):
    t.eq(os.pread(fd, 11, off), b"spot-%d-spot" % i, "at %d" % off)
t.eq(os.pread(fd, 4096, 3 * 2 ** 30), b"\0" * 4096, "a hole")
t.ok(os.fstat(fd).st_blocks * 512 < 64 << 20, "it is sparse")
t.eq(os.lseek(fd, -11, os.SEEK_END), spots[-1], "seek from the end")
os.close(fd)
t.take()
with open(t.in_snap() + "/big", "rb") as g:
    g.seek(spots[3])
    t.eq(g.read(11), b"spot-3-spot", "in the snapshot")
os.truncate(f, 2 ** 32 + 1)
t.eq(os.stat(f).st_size, 2 ** 32 + 1, "truncated beyond 4 GiB")
os.truncate(f, 2 ** 40)
t.eq(os.stat(f).st_size, 2 ** 40, "one TiB")
