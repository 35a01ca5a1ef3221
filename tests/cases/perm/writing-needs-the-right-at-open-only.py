#!/usr/bin/env python3
"""Rights are asked at open: who had the file open goes on after a chmod; a file made with mode 0 is writable by its maker."""
import errno
import os
import ontapfs_test as t

f = t.CASE + "/f"


def as_a():
    fd = os.open(f, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o000)
    os.write(fd, b"through mode 0")
    os.fchmod(fd, 0o400)
    os.pwrite(fd, b"THROUGH", 0)
    got = os.pread(fd, 100, 0)
    os.close(fd)
    return got


t.eq(t.run_as(t.A, t.A, as_a), b"THROUGH mode 0", "through the descriptor")
t.expect(errno.EACCES, t.run_as, t.A, t.A, os.open, f, os.O_WRONLY)
t.expect(errno.EACCES, t.run_as, t.B, t.B, os.open, f, os.O_RDONLY)
t.expect(errno.EACCES, t.run_as, t.B, t.B, os.truncate, f, 0)
t.expect(errno.EACCES, t.run_as, t.A, t.A, os.truncate, f, 0)
