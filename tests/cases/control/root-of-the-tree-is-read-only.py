#!/usr/bin/env python3
"""What is never possible at the root is EPERM, for root too."""
# cells: mkdir/root symlink/root rmdir/root unlink/root rename/root rename-out/root rename-in/root link/root
# cells: create/root setattr/root rule-6.4
import errno
import os
import ontapfs_test as t

m = t.MNT
t.take("a")
t.write(t.CASE + "/f", "x")
for fn, args in ((os.mkdir, (m + "/new",)), (os.rmdir, (m + "/project1",)), (os.mkfifo, (m + "/fifo",)),
                 (os.symlink, ("x", m + "/link")), (os.link, (t.CASE + "/f", m + "/hard")),
                 (os.open, (m + "/new", os.O_WRONLY | os.O_CREAT)), (os.rename, (m + "/project1", m + "/p2")),
                 (os.rename, (t.CASE + "/f", m + "/f")), (os.rename, (m + "/imagenet", t.CASE + "/x")),
                 (os.chmod, (m, 0o777)), (os.chown, (m, 1, 1)), (os.utime, (m,)),
                 (os.unlink, (m + "/project1@" + t.SNAP + "a",)), (os.rmdir, (m + "/.ontap",)),
                 (os.rmdir, (m + "/project1/.snapshots",)),
                 (os.mkdir, (m + "/.ontap/x",)), (os.open, (m + "/.ontap/x", os.O_WRONLY | os.O_CREAT))):
    t.expect(errno.EPERM, fn, *args)
t.expect(errno.EEXIST, os.mkdir, m + "/project1")
