#!/usr/bin/env python3
"""A snapshot is its uuid, not its name: deleted and made again, everything cached of the old one is gone."""
import os
import ontapfs_test as t

t.write(t.CASE + "/gone", "only in the first")
f = t.CASE + "/f"
for i in range(5):
    want = b"%08d" % i * 2000
    t.write(f, want)
    os.utime(f, ns=(10 ** 18, 10 ** 18))  # size and times tell nothing
    p = t.take("a")
    t.eq(t.read(t.in_snap("a") + "/f"), want, "round %d" % i)
    st = os.stat(t.in_snap("a") + "/f")
    names = os.listdir(t.in_snap("a"))
    t.eq("gone" in names, i == 0, "names, round %d" % i)
    t.eq(os.path.exists(t.in_snap("a") + "/gone"), i == 0, "lookup, round %d" % i)
    if i == 0:
        os.unlink(t.CASE + "/gone")
    t.drop(p)
    t.write(f, b"%08d" % (i + 1) * 2000)
    t.take("a")
    t.ok(os.stat(t.in_snap("a") + "/f").st_ino != st.st_ino, "another file, another number")
    t.eq(t.read(t.in_snap("a") + "/f"), b"%08d" % (i + 1) * 2000, "made again, round %d" % i)
    t.drop(p)
