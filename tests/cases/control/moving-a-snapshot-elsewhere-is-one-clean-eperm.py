#!/usr/bin/env python3
"""A snapshot moves nowhere: EPERM, never EXDEV, on which mv would start to copy it."""
# cells: rename-out/snapdir rename-in/snapdir rename-out/root rule-6.5
import errno
import os
import ontapfs_test as t

a = t.take("a")
t.write(t.CASE + "/f", "x")
os.mkdir(t.CASE + "/d")
for target in (t.CASE + "/x", t.MNT + "/x", t.MNT + "/imagenet/x", t.MNT + "/imagenet/.snapshots/x",
               t.MNT + "/.ontap/x", t.MNT + "/trident_pvc/.snapshots/x"):
    t.expect(errno.EPERM, os.rename, a, target)
for source in (t.CASE + "/f", t.CASE + "/d"):
    t.expect(errno.EPERM, os.rename, source, t.snap("x"))
t.expect(errno.EPERM, os.rename, t.CASE + "/d", t.MNT + "/project1/.snapshots")
t.expect(errno.EPERM, os.rename, t.MNT + "/project1/.snapshots", t.CASE + "/x")
t.expect(errno.EPERM, os.rename, t.MNT + "/project1/.snapshot", t.CASE + "/x")
p = t.run("mv", a, t.CASE + "/x", check=False)
t.ok(p.returncode != 0 and not os.path.lexists(t.CASE + "/x"), "mv fails and copies nothing")
t.ok(os.path.isdir(t.in_snap("a")), "the snapshot is still there")
