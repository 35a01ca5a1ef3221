#!/usr/bin/env python3
"""Negative answers in .snapshots are not cached: after mkdir on host A the next lookup on host B finds it."""
import errno
import os
import ontapfs_test as t

with t.second_mount() as b:
    for i in range(10):
        name = "n%d" % i
        t.write(t.CASE + "/f", name)
        there = t.snap(name, mnt=b.mnt)
        link = "%s/project1@%s%s" % (b.mnt, t.SNAP, name)
        for _ in range(2):
            t.expect(errno.ENOENT, os.stat, there)
            t.expect(errno.ENOENT, os.lstat, link)
        t.take(name)
        t.ok(os.path.isdir(there), "B finds %s at once" % name)
        t.eq(t.read(t.in_snap(name, mnt=b.mnt) + "/f"), name.encode(), "B reads it")
        t.ok(os.path.islink(link), "the link at B's root")
    # Made behind both by REST.
    t.expect(errno.ENOENT, os.stat, t.snap("rest"))
    t.rest_snapshot_create(t.SNAP + "rest")
    try:
        t.ok(os.path.isdir(t.snap("rest")) and os.path.isdir(t.snap("rest", mnt=b.mnt)), "made by REST, seen at once")
    finally:
        t.rest_snapshot_delete(t.SNAP + "rest")
