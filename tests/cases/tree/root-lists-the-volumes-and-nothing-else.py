#!/usr/bin/env python3
"""The root lists the volumes that have a junction path: no SVM root volume, nothing of ours."""
# cells: readdir/root stat/root
import os
import stat
import ontapfs_test as t

recs = t.rest("GET", "/storage/volumes?fields=name,nas.path")[1]["records"]
want = {r["name"] for r in recs if r.get("nas", {}).get("path") not in (None, "", "/")}
svm_root = [r["name"] for r in recs if r.get("nas", {}).get("path") == "/"]
names = os.listdir(t.MNT)
t.eq(len(names), len(set(names)), "names are unique")
t.eq(sorted(names), sorted(want), "names of the root")
t.ok({"project1", "imagenet", "trident_pvc"} <= set(names), "the three volumes are there")
for name in svm_root:
    t.expect(t.errno.ENOENT, os.lstat, os.path.join(t.MNT, name))
for e in os.scandir(t.MNT):
    t.ok(e.is_dir(follow_symlinks=False), e.name + " is a directory")
st = os.stat(t.MNT)
# Clones may be made by default: anybody may try to write here, the daemon decides.
t.eq((stat.S_IMODE(st.st_mode), st.st_uid, st.st_nlink), (0o777, 0, 1), "mode, owner, nlink of the root")
t.expect(t.errno.ENOENT, os.lstat, os.path.join(t.MNT, "no-such-volume"))
