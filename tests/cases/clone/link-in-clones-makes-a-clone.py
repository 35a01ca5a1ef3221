#!/usr/bin/env python3
"""`ln -s ../.snapshots/SNAP NAME` in .clones makes a clone there; so do VOLUME@SNAP and absolute targets, under any mount point."""
# needs: own-mount
# cells: symlink/clonedir symlink/root
import os
import ontapfs_test as t

with t.own_fixture():
    t.write(t.CASE + "/f", "base")
    t.take("a")
    t.write(t.CASE + "/f", "later")
    clones, case, s = t.MNT + "/project1/.clones/", os.path.basename(t.CASE), t.SNAP + "a"
    for where, n, target in ((clones, "rel", "../.snapshots/" + s), (clones, "alias", "../.snapshot/" + s),
                             (clones, "at", "project1@" + s), (clones, "abs", t.snap("a")),
                             (clones, "elsewhere", "/data/project1/.snapshots/" + s + "/"),
                             (t.MNT + "/", "root_at", "project1@" + s), (t.MNT + "/", "root_abs", t.snap("a")),
                             (t.MNT + "/", "root_elsewhere", "/not/here/project1@" + s)):
        name = t.clone_name(n)
        t.run("ln", "-s", target, where + name)
        st = os.lstat(clones + name)
        t.ok(os.path.isdir(clones + name) and not os.path.islink(clones + name), n + " is a directory in .clones")
        t.eq(t.read("%s%s/%s/f" % (clones, name, case)), b"base", "bytes of " + n)
        t.eq(os.readlink(t.MNT + "/" + name), "project1/.clones/" + name, "link at the root to " + n)
        t.eq(os.stat(t.MNT + "/" + name).st_ino, st.st_ino, "both lead to one directory")
        t.eq(t.rest_volume(name)["clone"]["parent_snapshot"]["name"], s, "base of " + n)
