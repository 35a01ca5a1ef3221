#!/usr/bin/env python3
"""A file that another client replaced by rename is opened new, also right after we read the old one."""
import os
import ontapfs_test as t

f = t.CASE + "/f"
behind = os.path.join(t.STORE, os.path.basename(t.CASE))
t.write(f, "v0")
for i in range(20):
    t.eq(t.read(f), b"v%d" % i, "version %d" % i)
    t.write(behind + "/.new", "v%d" % (i + 1))
    os.rename(behind + "/.new", behind + "/f")
t.eq(t.read(f), b"v20", "the last version")
