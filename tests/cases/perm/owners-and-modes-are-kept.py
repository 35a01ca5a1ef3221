#!/usr/bin/env python3
"""New objects belong to their maker; umask, setgid directories, sticky bit, chmod and chown rules hold."""
# cells: setattr/live
import errno
import os
import ontapfs_test as t

c = t.CASE


def make():
    os.umask(0o027)
    t.write(c + "/f", "x", mode=0o666)
    os.mkdir(c + "/d", 0o777)
    os.symlink("x", c + "/l")
    os.mkfifo(c + "/p", 0o666)


t.run_as(t.A, t.A, make)
for n, mode in (("f", 0o640), ("d", 0o750), ("p", 0o640)):
    st = os.stat("%s/%s" % (c, n))
    t.eq((st.st_uid, st.st_gid, st.st_mode & 0o7777), (t.A, t.A, mode), n)
t.eq(os.lstat(c + "/l").st_uid, t.A, "owner of the link")

os.mkdir(c + "/team")
os.chown(c + "/team", 0, t.TEAM)
os.chmod(c + "/team", 0o2777)
t.run_as(t.A, t.A, os.mkdir, c + "/team/sub")
t.run_as(t.A, t.A, t.write, c + "/team/f", "x")
t.eq((os.stat(c + "/team/sub").st_gid, os.stat(c + "/team/sub").st_mode & 0o2000), (t.TEAM, 0o2000), "setgid directory")
t.eq(os.stat(c + "/team/f").st_gid, t.TEAM, "file in a setgid directory")

for fn, args in ((os.chmod, (c + "/f", 0o777)), (os.chown, (c + "/f", t.B, t.B)), (os.utime, (c + "/f", (1, 1)))):
    t.expect(errno.EPERM, t.run_as, t.B, t.B, fn, *args)
t.expect(errno.EPERM, t.run_as, t.A, t.A, os.chown, c + "/f", t.B, t.A)
t.run_as(t.A, t.A, os.chown, c + "/f", -1, t.TEAM, groups=(t.TEAM,))
t.eq(os.stat(c + "/f").st_gid, t.TEAM, "chgrp to an own group")

os.mkdir(c + "/sticky")
os.chmod(c + "/sticky", 0o1777)
t.run_as(t.A, t.A, t.write, c + "/sticky/f", "x")
t.expect((errno.EPERM, errno.EACCES), t.run_as, t.B, t.B, os.unlink, c + "/sticky/f")
t.run_as(t.A, t.A, os.unlink, c + "/sticky/f")

# A write by someone else takes setuid and setgid away.
t.write(c + "/suid", "x")
os.chown(c + "/suid", t.A, t.A)
os.chmod(c + "/suid", 0o6777)
t.run_as(t.B, t.B, t.write, c + "/suid", b"y", os.O_WRONLY)
t.eq(os.stat(c + "/suid").st_mode & 0o7777, 0o777, "mode after another's write")
