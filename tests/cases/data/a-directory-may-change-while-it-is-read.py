#!/usr/bin/env python3
"""Removing while listing skips nothing that stays and shows nothing twice."""
import os
import ontapfs_test as t

keep, names = set(), []
for i in range(1500):
    n = "f%04d" % i
    t.write(os.path.join(t.STORE, os.path.basename(t.CASE), n), "")
    if i % 3 == 0:
        keep.add(n)
seen = []
with os.scandir(t.CASE) as it:
    for e in it:
        seen.append(e.name)
        if e.name not in keep:
            os.unlink(e.path)
t.eq(len(seen), len(set(seen)), "no name twice")
t.ok(keep <= set(seen), "nothing that stays is skipped")
t.eq(set(os.listdir(t.CASE)), keep, "what is left")
