#!/usr/bin/env python3
"""The same path in two volumes is two files; snapshots of one volume do not hold the other."""
import os
import ontapfs_test as t

n = t.SNAP + "f"
try:
    for v in ("project1", "imagenet"):
        t.write("%s/%s/%s" % (t.MNT, v, n), v)
    t.take("a")
    for v in ("project1", "imagenet"):
        t.eq(t.read("%s/%s/%s" % (t.MNT, v, n)), v.encode(), v)
    t.eq(t.read(t.snap("a") + "/" + n), b"project1", "in the snapshot")
    t.ok(not os.path.exists(t.snap("a", "imagenet")), "no snapshot of the other volume")
    p = t.take("g", "imagenet")
    t.eq(t.read(p + "/" + n), b"imagenet", "a FlexGroup's snapshot")
    t.drop(p)
finally:
    for v in ("project1", "imagenet"):
        t.run("rm", "-f", "%s/%s/%s" % (t.MNT, v, n))
