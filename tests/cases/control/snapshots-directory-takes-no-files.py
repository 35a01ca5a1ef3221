#!/usr/bin/env python3
"""In .snapshots only mkdir, rmdir and rename in place mean something; the rest is EPERM."""
# cells: create/snapdir symlink/snapdir link/snapdir setattr/snapdir setxattr/snapdir unlink/snapdir
import errno
import os
import ontapfs_test as t

s = t.MNT + "/project1/.snapshots"
t.write(t.CASE + "/f", "x")
t.take("a")
for fn, args in ((os.open, (s + "/new", os.O_WRONLY | os.O_CREAT)), (os.mkfifo, (s + "/fifo",)),
                 (os.symlink, ("x", s + "/link")), (os.link, (t.CASE + "/f", s + "/hard")),
                 (os.chmod, (s, 0o700)), (os.chown, (s, 1, 1)), (os.utime, (s,)),
                 (os.setxattr, (s, "user.x", b"1")), (os.unlink, (s + "/@latest",))):
    t.expect(errno.EPERM, fn, *args)
