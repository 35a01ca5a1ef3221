#!/usr/bin/env python3
"""A real entry called .snapshots or .clones at a volume's root is hidden by ours, in lookups and listings, and .ontap/status names it; elsewhere it is a file."""
import os
import ontapfs_test as t

t.os.makedirs(t.STORE + "/.clones", exist_ok=True)
t.write(t.STORE + "/.clones/theirs", "x")
try:
    names = os.listdir(t.MNT + "/project1")
    t.ok(".clones" not in names, "not listed: %r" % names)
    t.ok("theirs" not in os.listdir(t.MNT + "/project1/.clones"), "ours is the one that is reached")
    status = t.read(t.MNT + "/.ontap/status").decode()
    t.ok("project1: an entry .clones of its own" in status, "status:\n" + status)
    t.ok("imagenet: an entry" not in status, "status tells of another volume:\n" + status)
    os.mkdir(t.CASE + "/.clones")
    t.write(t.CASE + "/.clones/f", "mine")
    t.eq((os.listdir(t.CASE), t.read(t.CASE + "/.clones/f")), ([".clones"], b"mine"), "in a directory below")
finally:
    t.shutil.rmtree(t.STORE + "/.clones")
