#!/usr/bin/env python3
"""Seeded random reads, writes, truncates and appends give what the same steps give on a local file."""
# cells: write/live
import os
import random
import ontapfs_test as t

seed = int(os.environ.get("SEED", "0")) or random.randrange(10 ** 9)
print("SEED=%d" % seed)
rnd = random.Random(seed)
a, b = t.CASE + "/f", t.WORK + "/reference"
fa, fb = (os.open(p, os.O_RDWR | os.O_CREAT) for p in (a, b))
limit = 3 << 20
for step in range(1500):
    what = rnd.randrange(10)
    off = rnd.randrange(limit)
    n = rnd.choice((1, 13, 511, 4096, 4097, 65536, 131072, 300001))
    if what < 4:
        data = bytes([rnd.randrange(256)]) * n
        os.pwrite(fa, data, off)
        os.pwrite(fb, data, off)
    elif what < 8:
        if os.pread(fa, n, off) != os.pread(fb, n, off):
            t.fail("step %d: %d bytes at %d differ" % (step, n, off))
    elif what == 8:
        os.ftruncate(fa, off)
        os.ftruncate(fb, off)
    else:
        t.eq(os.fstat(fa).st_size, os.fstat(fb).st_size, "size at step %d" % step)
        os.close(fa)
        fa = os.open(a, os.O_RDWR)
os.close(fa)
t.ok(t.read(a) == t.read(b), "whole file at the end")
t.ok(t.read(os.path.join(t.STORE, os.path.basename(t.CASE), "f")) == t.read(b), "the server's file at the end")
