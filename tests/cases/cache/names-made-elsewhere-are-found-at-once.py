#!/usr/bin/env python3
"""Negative answers are not cached in live: a name made by another client is found by the next lookup; a removed one leaves."""
import errno
import os
import ontapfs_test as t

behind = os.path.join(t.STORE, os.path.basename(t.CASE))
for i in range(20):
    t.expect(errno.ENOENT, os.stat, "%s/f%d" % (t.CASE, i))
    t.write("%s/f%d" % (behind, i), "x%d" % i)
    t.eq(t.read("%s/f%d" % (t.CASE, i)), b"x%d" % i, "new name")
t.eq(len(os.listdir(t.CASE)), 20, "listing")
os.unlink(behind + "/f0")
t.wait_for(lambda: not os.path.exists(t.CASE + "/f0"), "a removed name to leave", 5)
t.expect(errno.ENOENT, open, t.CASE + "/f0")
os.rename(behind + "/f1", behind + "/f2")
t.wait_for(lambda: not os.path.exists(t.CASE + "/f1"), "a renamed name to leave", 5)
t.eq(t.read(t.CASE + "/f2"), b"x1", "replaced elsewhere")
os.chmod(behind + "/f3", 0o640)
t.wait_for(lambda: os.stat(t.CASE + "/f3").st_mode & 0o777 == 0o640, "a mode changed elsewhere", 5)
