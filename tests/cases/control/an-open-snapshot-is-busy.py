#!/usr/bin/env python3
"""A snapshot in which this mount has a file or directory open is EBUSY to delete, and last_error says so."""
# cells: rule-6.2-open
import errno
import os
import ontapfs_test as t

t.write(t.CASE + "/f", "x")
p = t.take("a")
for opened in (t.in_snap("a") + "/f", t.in_snap("a")):
    fd = os.open(opened, os.O_RDONLY)
    t.expect(errno.EBUSY, t.run_as, 0, 0, os.rmdir, p)
    t.ok("open" in t.last_error(t.MNT + "/project1") or "use" in t.last_error(t.MNT + "/project1"), "last_error")
    os.close(fd)
t.ok(t.SNAP + "a" in t.rest_snapshots(), "it is still there")


def gone():
    return t.errno_of(t.run_as, 0, 0, os.rmdir, p) == 0


# The kernel tells the last close a moment later.
t.wait_for(gone, "rmdir after the last close", 5)
t.ok(t.SNAP + "a" not in t.rest_snapshots(), "deleted")
