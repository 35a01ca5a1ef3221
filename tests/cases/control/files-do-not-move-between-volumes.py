#!/usr/bin/env python3
"""rename and link between volumes are EXDEV, so that mv copies."""
# cells: rename-out/live rename-in/live link/live
import errno
import os
import ontapfs_test as t

t.write(t.CASE + "/f", "payload")
other = t.MNT + "/imagenet/" + t.SNAP + "moved"
t.expect(errno.EXDEV, os.rename, t.CASE + "/f", other)
t.expect(errno.EXDEV, os.link, t.CASE + "/f", other)
try:
    t.run("mv", t.CASE + "/f", other)
    t.eq(t.read(other), b"payload", "mv copied")
    t.expect(errno.ENOENT, os.stat, t.CASE + "/f")
finally:
    t.run("rm", "-f", other)
