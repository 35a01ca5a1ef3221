#!/usr/bin/env python3
"""What ONTAP's schedules and other tools made is shown, and EPERM to change, even for root."""
import errno
import os
import ontapfs_test as t

t.write(t.CASE + "/f", "x")
name = t.SNAP + "hourly.2031-01-01_0005"
t.rest_snapshot_create(name)
try:
    p = t.MNT + "/project1/.snapshots/" + name
    t.eq(t.read(p + "/" + os.path.basename(t.CASE) + "/f"), b"x", "readable at once")
    t.ok(name in os.listdir(t.MNT + "/project1/.snapshots") or t.wait_for(
        lambda: name in os.listdir(t.MNT + "/project1/.snapshots"), "listed", 15), "listed")
    t.expect(errno.EPERM, t.run_as, 0, 0, os.rmdir, p)
    t.expect(errno.EPERM, os.rename, p, t.snap("x"))
    t.ok(name in t.rest_snapshots(), "it is still there")
finally:
    t.rest_snapshot_delete(name)
