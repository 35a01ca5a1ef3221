#!/usr/bin/env python3
"""statfs: a volume's own space; the sum at the root; nothing available in a snapshot."""
# not-on: ganesha (its FSSTAT tells of the file system that all volumes share)
# cells: statfs/root statfs/live statfs/snapdir statfs/snapshot
import os
import ontapfs_test as t

vols = {v: os.statvfs("%s/%s" % (t.MNT, v)) for v in os.listdir(t.MNT)}
root, p1 = os.statvfs(t.MNT), vols["project1"]


def size(s):
    return s.f_blocks * s.f_frsize


t.ok(size(p1) > 0 and p1.f_bavail > 0, "project1 has space")
total = sum(size(s) for s in vols.values())
t.ok(abs(size(root) - total) <= total // 100, "root %d, sum of the volumes %d" % (size(root), total))
t.eq(p1.f_namemax, 255, "longest name")
t.eq(size(os.statvfs(t.CASE)), size(p1), "a directory of the volume")
t.take()
for p in (t.snap(), t.in_snap()):
    s = os.statvfs(p)
    t.eq((size(s), s.f_bavail), (size(p1), 0), "statfs in a snapshot")
t.eq(size(os.statvfs(t.MNT + "/project1/.snapshots")), size(p1), "statfs of .snapshots")
