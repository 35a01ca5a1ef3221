#!/usr/bin/env python3
"""VOLUME@SNAPSHOT at the root is a lookup-only link to the snapshot."""
import os
import stat
import ontapfs_test as t

t.write(t.CASE + "/f", "frozen")
t.take("a")
link = "%s/project1@%sa" % (t.MNT, t.SNAP)
t.ok(stat.S_ISLNK(os.lstat(link).st_mode), "it is a symlink")
t.eq(os.readlink(link), "project1/.snapshots/%sa" % t.SNAP, "its target")
t.eq(t.read("%s/%s/f" % (link, os.path.basename(t.CASE))), b"frozen", "content through the link")
t.eq(os.path.realpath(link), t.snap("a"), "a directory has one name")
t.ok(not [n for n in os.listdir(t.MNT) if "@" in n], "it is not listed")
for name in ("project1@" + t.SNAP + "nothing", "nothing@" + t.SNAP + "a", "project1@", "@" + t.SNAP + "a"):
    t.expect(t.errno.ENOENT, os.lstat, t.MNT + "/" + name)
t.expect(t.errno.EPERM, os.unlink, link)
t.drop(t.snap("a"))
t.expect(t.errno.ENOENT, os.lstat, link)
