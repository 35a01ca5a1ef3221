#!/usr/bin/env python3
"""Under load of two mounts, a snapshot holds each byte whose write returned before mkdir, none of a write that began after it, and stays so."""
# time-limit: 120
# cells: mkdir/snapdir
import os
import stamps
import ontapfs_test as t

with t.second_mount("verbs_per_minute=100000") as other:
    n, numbers = stamps.snapshots_under_load(
        (t.MNT, other.mnt), lambda name: t.store("project1", name), range(3), t.SNAP + "s")
    print("%d snapshots, %d writes" % (n, numbers))
    t.run("rm", "-rf", os.path.join(t.MNT, "project1", t.SNAP + "s"))
