#!/usr/bin/env python3
"""A file that grew elsewhere has its new size right after open: fstat tells it, mmap maps all of it."""
import mmap
import os
import ontapfs_test as t

f = t.CASE + "/f"
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "f")
t.write(f, "a")
for n in (5000, 70000, 300000):
    t.eq(len(t.read(f)), os.stat(f).st_size, "known before")
    want = os.urandom(n)
    t.write(behind, want)
    fd = os.open(f, os.O_RDONLY)
    t.eq(os.fstat(fd).st_size, n, "size at open")
    with mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as m:
        t.ok(m[:] == want, "mapped, %d bytes" % n)
    os.close(fd)
