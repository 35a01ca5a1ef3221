#!/usr/bin/env python3
"""AUTH_SYS carries 16 groups: the one that owns the object is among them, however many the caller has."""
import errno
import os
import ontapfs_test as t

# The kernel keeps them in order: TEAM must be the last.
many = tuple(range(2001, 2031)) + (t.TEAM,)
os.mkdir(t.CASE + "/d", 0o750)
t.write(t.CASE + "/d/f", "team")
os.chmod(t.CASE + "/d/f", 0o660)
os.chown(t.CASE + "/d/f", t.A, t.TEAM)
os.chown(t.CASE + "/d", t.A, t.TEAM)
t.eq(t.run_as(t.B, t.B, t.read, t.CASE + "/d/f", groups=many), b"team", "the 31st group opens directory and file")
t.run_as(t.B, t.B, t.write, t.CASE + "/d/f", b"by B", os.O_WRONLY, groups=many)
t.eq(t.read(t.CASE + "/d/f"), b"by B", "written by group right")
t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, t.CASE + "/d/f", groups=many[:-1])
