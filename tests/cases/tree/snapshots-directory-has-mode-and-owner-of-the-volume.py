#!/usr/bin/env python3
"""`.snapshots` has owner, group and mode of the live root, without setuid, setgid and sticky."""
import os
import stat
import ontapfs_test as t

live, snaps = os.stat(t.MNT + "/project1"), os.stat(t.MNT + "/project1/.snapshots")
t.eq((snaps.st_uid, snaps.st_gid), (live.st_uid, live.st_gid), "owner and group")
t.eq(stat.S_IMODE(snaps.st_mode), stat.S_IMODE(live.st_mode) & 0o777, "mode")
before = snaps.st_mtime_ns
t.take()
t.ok(os.stat(t.MNT + "/project1/.snapshots").st_mtime_ns >= before, "mtime is the newest change")
