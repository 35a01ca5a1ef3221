#!/usr/bin/env python3
"""`.ontap` is not listed; by name it is a directory of root's, mode 0755."""
import os
import stat
import ontapfs_test as t

t.ok(".ontap" not in os.listdir(t.MNT), ".ontap is not in readdir")
st = os.stat(t.MNT + "/.ontap")
t.eq((stat.S_ISDIR(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid), (True, 0o755, 0), "kind, mode, owner")
names = set(os.listdir(t.MNT + "/.ontap"))
t.ok({"README", "status", "status.json", "stats", "config", "jobs", "last_error"} <= names, "its files: %r" % names)
t.expect(t.errno.ENOENT, os.lstat, t.MNT + "/project1/.ontap")
