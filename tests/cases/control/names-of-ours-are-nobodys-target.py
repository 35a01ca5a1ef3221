#!/usr/bin/env python3
"""In a volume's root .snapshots, .snapshot and .clones are ours: no create, mkdir, link, or rename onto or of them: EPERM (or EEXIST)."""
# cells: rename-in/live rename-out/live
import errno
import os
import ontapfs_test as t

vol, other = t.MNT + "/project1", t.MNT + "/imagenet/" + t.SNAP
t.write(t.CASE + "/f", "x")
os.mkdir(t.CASE + "/d")
for n in (".snapshots", ".snapshot", ".clones"):
    p = vol + "/" + n
    t.expect((errno.EPERM, errno.EEXIST), os.mkdir, p)
    t.expect((errno.EPERM, errno.EEXIST), os.symlink, "x", p)
    t.expect((errno.EPERM, errno.EEXIST), os.link, t.CASE + "/f", p)
    t.expect((errno.EPERM, errno.EISDIR, errno.EEXIST, errno.ELOOP), os.open, p,
             os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    for source in ("/f", "/d"):
        t.expect((errno.EPERM, errno.EISDIR, errno.ENOTDIR), os.rename, t.CASE + source, p)
    t.expect(errno.EPERM, os.rename, p, t.CASE + "/x")
    t.expect((errno.EPERM, errno.ENOTDIR), os.rmdir, p)
t.ok(os.path.isdir(t.CASE + "/d") and t.read(t.CASE + "/f") == b"x", "nothing moved")
for source in ("/f", "/d"):
    t.expect(errno.EXDEV, os.rename, t.CASE + source, other + "x")
t.write(other + "f", "theirs")
t.expect(errno.EXDEV, os.rename, other + "f", t.CASE + "/f")
os.unlink(other + "f")
