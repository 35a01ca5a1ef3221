#!/usr/bin/env python3
"""A plain rmdir deletes a snapshot, full as it is; elsewhere nothing changes."""
# cells: rmdir/snapdir rule-6.2
import errno
import os
import ontapfs_test as t

t.write(t.CASE + "/f", "x")
p = t.take("a")
q = t.take("b")
t.eq(t.read(t.in_snap("a") + "/f"), b"x", "readable")
t.drop(p)
t.ok(t.SNAP + "a" not in t.rest_snapshots(), "gone in REST")
t.ok(t.SNAP + "a" not in os.listdir(t.MNT + "/project1/.snapshots"), "gone in the listing")
t.expect(errno.ENOENT, os.stat, p)
t.expect(errno.ENOENT, os.stat, t.in_snap("a") + "/f")
t.expect(errno.ENOENT, os.rmdir, p)
t.eq(t.read(t.in_snap("b") + "/f"), b"x", "the other snapshot stays")
t.eq(t.read(t.CASE + "/f"), b"x", "the live file stays")
t.expect(errno.EISDIR, os.unlink, q)
