#!/usr/bin/env python3
"""Hard links, symlinks, fifos, sockets and device nodes are what they should be."""
# cells: symlink/live link/live create/live unlink/live
import errno
import os
import socket
import stat
import ontapfs_test as t

# Longer ones than the client's library has room for; XFS takes 1,023 bytes (XFS_SYMLINK_MAXLEN).
LONG = ["%d" % (n % 10) * n for n in ((1023,) if t.SIM_NFS == "ganesha" else (2048, 2049, 3071, 4093, 4094, 4095))]

c = t.CASE
t.write(c + "/f", "x")
os.link(c + "/f", c + "/h")
a, b = os.stat(c + "/f"), os.stat(c + "/h")
t.eq((a.st_ino, a.st_nlink), (b.st_ino, 2), "one file, two names")
t.write(c + "/h", "through h")
t.eq(t.read(c + "/f"), b"through h", "content by the other name")
t.expect(errno.EEXIST, os.link, c + "/f", c + "/h")
t.expect(errno.EPERM, os.link, c, c + "/dirlink")
os.unlink(c + "/f")
t.eq(os.stat(c + "/h").st_nlink, 1, "nlink after unlink")

for i, target in enumerate(("h", "../nowhere", "/abs/olute", "t" * 1000, "with space\nand line", *LONG)):
    p = "%s/l%d" % (c, i)
    os.symlink(target, p)
    t.eq((os.readlink(p), os.lstat(p).st_size), (target, len(target)), "symlink")
    t.ok(stat.S_ISLNK(os.lstat(p).st_mode), "its kind")
t.eq(t.read(c + "/l0"), b"through h", "followed")
t.expect(errno.ENOENT, os.stat, c + "/l1")
t.expect(errno.EEXIST, os.symlink, "x", c + "/l0")
os.symlink(LONG[-1], c + "/" + "n" * 255)
t.eq(os.readlink(c + "/" + "n" * 255), LONG[-1], "the longest name and target")
t.expect(errno.ENAMETOOLONG, os.symlink, "t" * 4096, c + "/l")
os.symlink("loop", c + "/loop")
t.expect(errno.ELOOP, os.stat, c + "/loop")

os.mkfifo(c + "/p")
t.ok(stat.S_ISFIFO(os.stat(c + "/p").st_mode), "fifo")
r = os.open(c + "/p", os.O_RDONLY | os.O_NONBLOCK)
w = os.open(c + "/p", os.O_WRONLY)
os.write(w, b"hello")
t.eq(os.read(r, 10), b"hello", "through the fifo")
os.close(r)
os.close(w)
s = socket.socket(socket.AF_UNIX)
os.chdir(c)
s.bind("sock")
t.ok(stat.S_ISSOCK(os.stat("sock").st_mode), "socket")
os.chdir("/")
os.mknod(c + "/dev", stat.S_IFCHR | 0o666, os.makedev(1, 3))
t.eq(os.stat(c + "/dev").st_rdev, os.makedev(1, 3), "device number")
t.expect(errno.EACCES, os.open, c + "/dev", os.O_RDONLY)  # nodev, always
t.take()
t.eq(os.readlink(t.in_snap() + "/" + "n" * 255), LONG[-1], "in the snapshot")
for n in ("p", "sock", "dev", "l0"):
    t.eq(stat.S_IFMT(os.lstat(t.in_snap() + "/" + n).st_mode), stat.S_IFMT(os.lstat(c + "/" + n).st_mode), n)
