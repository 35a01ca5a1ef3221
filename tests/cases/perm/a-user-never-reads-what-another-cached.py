#!/usr/bin/env python3
"""Cached names, attributes and pages give nobody a right: live and in a snapshot."""
import errno
import os
import ontapfs_test as t

os.mkdir(t.CASE + "/open")
os.mkdir(t.CASE + "/closed", 0o700)
for d in ("open", "closed"):
    t.write("%s/%s/f" % (t.CASE, d), "secret", mode=0o600)
    t.write("%s/%s/g" % (t.CASE, d), "for the team", mode=0o640)
    os.chown("%s/%s/f" % (t.CASE, d), t.A, t.A)
    os.chown("%s/%s/g" % (t.CASE, d), t.A, t.TEAM)
os.chown(t.CASE + "/closed", t.A, t.A)
t.take()
for base in (t.CASE, t.in_snap()):
    for d in ("open", "closed"):
        for n, text in (("f", b"secret"), ("g", b"for the team")):
            t.eq(t.run_as(t.A, t.A, t.read, "%s/%s/%s" % (base, d, n)), text, "A reads, and so caches")
    t.run_as(t.A, t.A, os.listdir, base + "/closed")
    for _ in range(2):
        t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, base + "/open/f")
        t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, base + "/open/g")
        t.expect(errno.EACCES, t.run_as, t.B, t.B, os.stat, base + "/closed/f")
        t.expect(errno.EACCES, t.run_as, t.B, t.B, os.listdir, base + "/closed")
        t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, base + "/closed/g")
    t.eq(t.run_as(t.B, t.B, t.read, base + "/open/g", groups=(t.TEAM,)), b"for the team", "B of the team reads")
    t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, base + "/open/g")
    t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, base + "/closed/g", groups=(t.TEAM,))
    t.eq(t.run_as(t.B, t.B, os.stat, base + "/open/f").st_uid, t.A, "B may stat")
