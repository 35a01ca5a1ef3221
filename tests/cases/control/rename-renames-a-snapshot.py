#!/usr/bin/env python3
"""rename inside .snapshots: same snapshot, new name; an existing target is EEXIST whatever the flags."""
# cells: rename/snapdir rule-6.5-never-replaced
import errno
import os
import ontapfs_test as t

t.write(t.CASE + "/f", "x" * 10000)
a = t.take("a")
uuid = t.rest_snapshots()[t.SNAP + "a"]
f = open(t.in_snap("a") + "/f", "rb")
t.eq(f.read(10), b"x" * 10, "first bytes")
os.rename(a, t.snap("b"))
t.eq(t.rest_snapshots().get(t.SNAP + "b"), uuid, "same snapshot in REST")
t.expect(errno.ENOENT, os.stat, a)
t.eq(t.read(t.in_snap("b") + "/f"), b"x" * 10000, "content under the new name")
t.eq(f.read(), b"x" * 9990, "an open file goes on")
f.close()
t.take("c")
t.expect(errno.EEXIST, os.rename, t.snap("b"), t.snap("c"))
t.ok("never replaced" in t.last_error(t.MNT), "refused here: %r" % t.last_error(t.MNT))
for flag in (t.RENAME_NOREPLACE, t.RENAME_EXCHANGE):
    t.expect(errno.EEXIST, t.renameat2, t.snap("b"), t.snap("c"), flag)
t.renameat2(t.snap("b"), t.snap("d"), t.RENAME_NOREPLACE)
t.expect(errno.ENOENT, os.rename, t.snap("nothing"), t.snap("e"))
for bad in (".hidden", "@x", "-x", "a@b", "c\x01d"):
    t.expect(errno.EINVAL, os.rename, t.snap("d"), t.MNT + "/project1/.snapshots/" + bad)
t.expect(errno.ENAMETOOLONG, os.rename, t.snap("d"), t.MNT + "/project1/.snapshots/" + "n" * 256)
t.eq(t.rest_snapshots().get(t.SNAP + "d"), uuid, "still the same snapshot")
