#!/usr/bin/env python3
"""Inside a snapshot every change is EROFS, for root too; a chown or chmod that changes nothing is 0."""
# cells: mkdir/snapshot symlink/snapshot rmdir/snapshot unlink/snapshot rename/snapshot rename-out/snapshot
# cells: rename-in/snapshot link/snapshot create/snapshot write/snapshot setattr/snapshot setxattr/snapshot
import errno
import os
import ontapfs_test as t

os.makedirs(t.CASE + "/d")
t.write(t.CASE + "/f", "frozen", mode=0o644)
os.symlink("f", t.CASE + "/l")
t.write(t.CASE + "/live", "x")
t.take()
root, s = t.snap(), t.in_snap()
W = os.O_WRONLY
for where in (root, s):
    for fn, args in ((os.open, (where + "/new", W | os.O_CREAT)), (os.mkdir, (where + "/new",)),
                     (os.symlink, ("x", where + "/new")), (os.mkfifo, (where + "/new",)),
                     (os.link, (t.CASE + "/live", where + "/new")), (os.chmod, (where, 0o700)),
                     (os.chown, (where, 1, 1)), (os.utime, (where,))):
        t.expect(errno.EROFS, fn, *args)
for fn, args in ((os.unlink, (s + "/f",)), (os.unlink, (s + "/l",)), (os.rmdir, (s + "/d",)),
                 (os.rename, (s + "/f", s + "/g")), (os.rename, (s + "/d", s + "/e")),
                 (os.rename, (t.CASE + "/live", s + "/g")), (os.link, (s + "/f", s + "/g")),
                 (os.open, (s + "/f", W)), (os.open, (s + "/f", os.O_RDWR)), (os.open, (s + "/f", W | os.O_TRUNC)),
                 (os.open, (s + "/f", W | os.O_APPEND)), (os.truncate, (s + "/f", 0)), (os.chmod, (s + "/f", 0o600)),
                 (os.chown, (s + "/f", 1, 1)), (os.utime, (s + "/f",)), (os.utime, (s + "/f", (1, 1))),
                 (os.open, (s + "/f", W | os.O_CREAT))):
    t.expect(errno.EROFS, fn, *args)
t.expect(errno.EPERM, os.rename, s + "/f", t.CASE + "/out")
t.expect(errno.EXDEV, os.link, s + "/f", t.CASE + "/out")
t.expect(errno.EOPNOTSUPP, os.setxattr, s + "/f", "user.x", b"1")
st = os.stat(s + "/f")
os.chmod(s + "/f", st.st_mode & 0o7777)
os.chown(s + "/f", st.st_uid, st.st_gid)
t.eq(t.read(s + "/f"), b"frozen", "content")
t.ok(os.access(s + "/f", os.R_OK), "readable")
