#!/usr/bin/env python3
"""Close-to-open between two hosts: what A closed, B's next open reads."""
import os
import ontapfs_test as t

with t.second_mount() as b:
    mine, theirs = t.CASE + "/f", os.path.join(b.mnt, "project1", os.path.basename(t.CASE), "f")
    for i in range(15):
        t.write(mine, b"A%d " % i * (i * 997 + 1))
        t.eq(t.read(theirs), b"A%d " % i * (i * 997 + 1), "B reads A, %d" % i)
        t.write(theirs, b"B%d " % i * (i * 13 + 1))
        t.eq(t.read(mine), b"B%d " % i * (i * 13 + 1), "A reads B, %d" % i)
