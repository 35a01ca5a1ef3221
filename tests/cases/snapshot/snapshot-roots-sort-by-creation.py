#!/usr/bin/env python3
"""mtime and ctime of a snapshot's root are its creation, so that ls -lt sorts; modes are kept."""
# cells: stat/snapshot
import datetime
import os
import ontapfs_test as t

os.utime(t.MNT + "/project1", (10 ** 9, 10 ** 9))
t.take("a")
u = t.volume_uuid("project1")
rec = t.rest("GET", "/storage/volumes/%s/snapshots/%s?fields=create_time" % (u, t.rest_snapshots()[t.SNAP + "a"]))[1]
created = datetime.datetime.fromisoformat(rec["create_time"]).timestamp()
st = os.stat(t.snap("a"))
t.eq(int(st.st_mtime), int(created), "mtime is the creation")
t.eq(int(st.st_ctime), int(created), "ctime is the creation")
t.eq(st.st_mode, os.stat(t.MNT + "/project1").st_mode, "mode")
