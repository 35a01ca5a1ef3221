#!/usr/bin/env python3
"""One file in volume, snapshot, clone and clone's clone: one file id on ONTAP, four inode numbers here, and tools tell them apart."""
# needs: own-mount
# cells: stat/live stat/snapshot
# not-on: ganesha (a copy on XFS has inode numbers of its own)
import os
import ontapfs_test as t

with t.own_fixture():
    case, a, b = os.path.basename(t.CASE), t.clone_name("a"), t.clone_name("b")
    t.write(t.CASE + "/f", "one\n")
    os.mkdir(t.CASE + "/d")
    t.take("s")
    os.symlink("project1/.snapshots/" + t.SNAP + "s", t.MNT + "/" + a)
    os.mkdir("%s/%s/.clones/%s" % (t.MNT, a, b))
    places = [t.CASE, t.in_snap("s"), "%s/%s/%s" % (t.MNT, a, case), "%s/%s/%s" % (t.MNT, b, case)]
    for name in ("/f", "/d", "", "/.."):
        inos = [os.stat(p + name).st_ino for p in places]
        t.eq(len(set(inos)), 4, "inode numbers of %r: %r" % (name, inos))
        t.ok(not set(inos) & {0, 1, 0xffffffff}, "reserved numbers")
    t.eq(len({os.stat(t.store(v) + "/" + case + "/f").st_ino for v in ("project1", a, b)}), 1, "numbers behind the server")
    t.write(places[2] + "/f", "two\n")
    t.ok(t.run("cmp", places[0] + "/f", places[2] + "/f", check=False).returncode == 1, "cmp tells them apart")
    t.ok("two" in t.run("diff", "-r", places[0], places[2], check=False).stdout, "diff -r tells them apart")
    t.run("cp", places[2] + "/f", places[0] + "/copied")
    t.run("cp", places[2] + "/f", places[0] + "/f")
    t.eq(t.read(t.CASE + "/f"), b"two\n", "cp from clone to volume")
    t.eq(t.read(places[1] + "/f"), b"one\n", "the snapshot")
