#!/usr/bin/env python3
"""getcwd, `..` and bind-free walks agree in live, .snapshots and a snapshot."""
import os
import ontapfs_test as t

os.makedirs(t.CASE + "/a/b")
t.take()
for d in (t.CASE + "/a/b", t.MNT + "/project1/.snapshots", t.snap(), t.in_snap() + "/a/b"):
    os.chdir(d)
    t.eq(os.getcwd(), d, "getcwd")
    t.eq(os.stat("..").st_ino, os.stat(os.path.dirname(d)).st_ino, ".. of " + d)
os.chdir("%s/project1@%s" % (t.MNT, t.SNAP))
t.eq(os.getcwd(), t.snap(), "getcwd through the link")
os.chdir("/")
