#!/usr/bin/env python3
"""O_EXCL, O_TRUNC, O_DIRECT, O_DIRECTORY, O_NOFOLLOW, O_APPEND, O_SYNC, truncate and ftruncate."""
# cells: create/live write/live
import errno
import mmap
import os
import ontapfs_test as t

f = t.CASE + "/f"
os.close(os.open(f, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
t.expect(errno.EEXIST, os.open, f, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
t.write(f, "0123456789")
os.truncate(f, 4)
t.eq(t.read(f), b"0123", "shorter")
os.truncate(f, 8)
t.eq(t.read(f), b"0123\0\0\0\0", "longer")
os.close(os.open(f, os.O_WRONLY | os.O_TRUNC))
t.eq(os.stat(f).st_size, 0, "O_TRUNC")
t.write(f, "abc")
os.close(os.open(f, os.O_RDWR | os.O_CREAT))
t.eq(t.read(f), b"abc", "O_CREAT of an old file keeps it")
t.expect(errno.ENOTDIR, os.open, f, os.O_RDONLY | os.O_DIRECTORY)
t.expect(errno.EISDIR, os.open, t.CASE, os.O_WRONLY)
os.symlink("f", t.CASE + "/l")
t.expect(errno.ELOOP, os.open, t.CASE + "/l", os.O_RDONLY | os.O_NOFOLLOW)
t.expect(errno.ENOENT, os.open, t.CASE + "/nothing", os.O_RDONLY)
t.expect(errno.ENOTDIR, os.open, f + "/below", os.O_RDONLY)
t.expect(errno.EINVAL, os.truncate, f, -1)
t.expect(errno.EBADF, os.write, os.open(f, os.O_RDONLY), b"x")

buf = mmap.mmap(-1, 1 << 20)
buf.write(os.urandom(1 << 20))
fd = os.open(t.CASE + "/direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
t.eq(os.write(fd, buf), 1 << 20, "O_DIRECT write")
back = mmap.mmap(-1, 1 << 20)
t.eq(os.preadv(fd, [back], 0), 1 << 20, "O_DIRECT read")
t.ok(back[:] == buf[:], "O_DIRECT bytes")
t.eq(os.preadv(fd, [back], 1 << 20), 0, "at the end")
os.close(fd)
t.ok(t.read(t.CASE + "/direct") == buf[:], "read through the cache")
fd = os.open(f, os.O_WRONLY | os.O_SYNC)
os.write(fd, b"sync")
t.eq(t.read(os.path.join(t.STORE, os.path.basename(t.CASE), "f")), b"sync", "the server has it when write returned")
os.fsync(fd)
os.fdatasync(fd)
os.close(fd)
d = os.open(t.CASE, os.O_RDONLY | os.O_DIRECTORY)
os.fsync(d)
os.close(d)
