#!/usr/bin/env python3
"""fallocate and O_TMPFILE are EOPNOTSUPP, ioctl ENOTTY, SEEK_DATA and SEEK_HOLE generic, POSIX ACLs EOPNOTSUPP; each also the second time."""
# cells: unsupported
import errno
import fcntl
import os
import ontapfs_test as t

f = t.CASE + "/f"
t.write(f, "x" * 100)
for _ in range(2):
    fd = os.open(f, os.O_RDWR)
    t.expect(errno.EOPNOTSUPP, t.fallocate, fd, 0, 0, 4096)
    t.expect(errno.EOPNOTSUPP, t.fallocate, fd, 3, 0, 10)
    t.expect(errno.EOPNOTSUPP, os.open, t.CASE, os.O_TMPFILE | os.O_RDWR)
    t.expect(errno.ENOTTY, fcntl.ioctl, fd, 0x5401, b"\0" * 60)
    t.eq(os.lseek(fd, 10, os.SEEK_DATA), 10, "SEEK_DATA")
    t.eq(os.lseek(fd, 10, os.SEEK_HOLE), 100, "SEEK_HOLE")
    t.expect(errno.ENXIO, os.lseek, fd, 100, os.SEEK_DATA)
    t.expect(errno.EOPNOTSUPP, os.setxattr, f, "system.posix_acl_access", b"\2\0\0\0")
    os.close(fd)
os.posix_fallocate(os.open(f, os.O_RDWR), 0, 500)
t.eq(os.stat(f).st_size, 500, "libc falls back")
