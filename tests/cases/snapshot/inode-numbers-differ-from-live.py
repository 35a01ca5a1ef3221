#!/usr/bin/env python3
"""The same file has another st_ino in live and in each snapshot; hard links inside one agree."""
import os
import ontapfs_test as t

os.mkdir(t.CASE + "/d")
for i in range(50):
    t.write(t.CASE + "/d/f%d" % i, "x")
os.link(t.CASE + "/d/f0", t.CASE + "/d/hard")
t.take("a")
t.take("b")
places = [t.CASE, t.in_snap("a"), t.in_snap("b")]
inos = {}
for p in places:
    t.eq(os.stat(p + "/d/hard").st_ino, os.stat(p + "/d/f0").st_ino, "hard links")
    t.eq(os.stat(p + "/d/f0").st_nlink, 2, "nlink")
    for n in ["."] + ["d/f%d" % i for i in range(50)]:
        st = os.stat(p + "/" + n)
        t.ok(st.st_ino not in inos, "%s/%s has the number of %s" % (p, n, inos.get(st.st_ino)))
        t.ok(st.st_ino not in (0, 1, 2 ** 32 - 1), "reserved number")
        inos[st.st_ino] = p + "/" + n
    for e in os.scandir(p + "/d"):
        t.eq(e.inode(), e.stat(follow_symlinks=False).st_ino, "d_ino of " + e.name)
