#!/usr/bin/env python3
"""`.snapshots` is at volume roots only, by name only; `.snapshot` is a link to
it; ONTAP's own `.snapshot` is never passed through."""
# cells: readdir/live readdir/snapdir
import os
import stat
import ontapfs_test as t

vol = t.MNT + "/project1"
names = os.listdir(vol)
for hidden in (".snapshots", ".snapshot", ".clones"):
    t.ok(hidden not in names, hidden + " is not in readdir")
for v in ("project1", "imagenet", "trident_pvc"):
    st = os.lstat("%s/%s/.snapshots" % (t.MNT, v))
    t.ok(stat.S_ISDIR(st.st_mode), "%s/.snapshots is a directory" % v)
    t.eq(st.st_nlink, 1, "nlink of %s/.snapshots" % v)
t.ok(stat.S_ISLNK(os.lstat(vol + "/.snapshot").st_mode), ".snapshot is a symlink")
t.eq(os.readlink(vol + "/.snapshot"), ".snapshots", "target of .snapshot")
os.mkdir(t.CASE + "/sub")
for d in (t.CASE, t.CASE + "/sub", t.MNT):
    for name in (".snapshot", ".snapshots"):
        t.expect(t.errno.ENOENT, os.lstat, d + "/" + name)
t.take("a")
t.ok(t.SNAP + "a" in os.listdir(vol + "/.snapshots"), "a snapshot is listed")
t.ok(t.SNAP + "a" in os.listdir(vol + "/.snapshot"), "and through the link")
# Below a snapshot there are no snapshots.
for name in (".snapshot", ".snapshots"):
    t.expect(t.errno.ENOENT, os.lstat, t.snap("a") + "/" + name)
    t.expect(t.errno.ENOENT, os.lstat, t.in_snap("a") + "/" + name)
found = t.run("find", vol, "-maxdepth", "1", "-name", ".snap*").stdout
t.eq(found, "", "what find sees")
