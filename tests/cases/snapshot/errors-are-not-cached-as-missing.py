#!/usr/bin/env python3
"""Only NOENT makes a negative entry: what a user may not see, another may."""
import errno
import os
import ontapfs_test as t

os.mkdir(t.CASE + "/d", 0o700)
t.write(t.CASE + "/d/f", "secret", mode=0o600)
os.chown(t.CASE + "/d/f", t.A, t.A)
os.chown(t.CASE + "/d", t.A, t.A)
t.take()
f = t.in_snap() + "/d/f"
for _ in range(2):
    t.expect(errno.EACCES, t.run_as, t.B, t.B, os.stat, f)
    t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, f)
t.eq(t.run_as(t.A, t.A, t.read, f), b"secret", "its owner reads it")
t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, f)
