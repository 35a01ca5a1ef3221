#!/usr/bin/env python3
"""fcntl(F_SETFL) without O_APPEND on a file opened for appending: from then on writes go where they are meant to."""
import fcntl
import os
import ontapfs_test as t

f = t.CASE + "/f"
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "f")
t.write(f, "0123456789")
fd = os.open(f, os.O_RDWR | os.O_APPEND)
flags = fcntl.fcntl(fd, fcntl.F_GETFL)
for turn in range(3):
    os.pwrite(fd, b"+", 0)  # as on any Linux file system: O_APPEND wins over the offset
    t.eq(t.read(behind), b"%s23456789" % (b"01" if turn == 0 else b"AB") + b"+" * (turn + 1), "appended")
    fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_APPEND)
    os.pwrite(fd, b"AB", 0)
    t.eq(t.read(behind), b"AB23456789" + b"+" * (turn + 1), "overwritten")
    t.eq(os.pread(fd, 100, 0), t.read(behind), "as this descriptor reads it")
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
os.close(fd)
