#!/usr/bin/env python3
"""Sticky rule: another user may neither delete nor rename; the creator and an admin may."""
import errno
import os
import ontapfs_test as t

t.run_as(t.A, t.A, os.mkdir, t.snap("a"))
t.run_as(t.A, t.A, os.mkdir, t.snap("b"))
t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rmdir, t.snap("a"))
t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rename, t.snap("a"), t.snap("x"))
text = t.run_as(t.B, t.B, t.last_error, t.MNT + "/project1")
t.ok(text.strip(), "last_error tells B why")
t.run_as(t.A, t.A, os.rename, t.snap("a"), t.snap("c"))
t.run_as(t.A, t.A, os.rmdir, t.snap("c"))
t.run_as(0, 0, os.rmdir, t.snap("b"))
t.ok(not [n for n in t.rest_snapshots() if n.startswith(t.SNAP)], "all are gone")
