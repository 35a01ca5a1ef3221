#!/usr/bin/env python3
"""lock=none: flock and fcntl locks are ENOLCK, all else goes on; sqlite3 says so instead of writing unlocked."""
# needs: own-mount
# cells: lock-none
import errno
import fcntl
import os
import sqlite3
import struct
import ontapfs_test as t

with t.own_mount("lock=none") as (_, gw):
    f = gw.mnt + "/project1/f"
    t.write(f, "x")
    fd = os.open(f, os.O_RDWR)
    for _ in range(2):
        t.expect(errno.ENOLCK, fcntl.flock, fd, fcntl.LOCK_EX)
        t.expect(errno.ENOLCK, fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        t.expect(errno.ENOLCK, fcntl.lockf, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        t.expect(errno.ENOLCK, fcntl.fcntl, fd, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
    t.eq(os.pwrite(fd, b"written", 0), 7, "a write")
    os.close(fd)
    t.eq(t.read(f), b"written", "the file")
    db = sqlite3.connect(gw.mnt + "/project1/db", timeout=0.1)
    try:
        db.execute("CREATE TABLE t(x)")
        t.fail("sqlite took a lock that is not there")
    except sqlite3.OperationalError as e:
        print("sqlite3:", e)
    finally:
        db.close()
with t.own_mount("lock=local", name="local") as (_, gw):
    t.write(gw.mnt + "/project1/f", "x")
    with open(gw.mnt + "/project1/f", "r+b") as a:
        fcntl.flock(a, fcntl.LOCK_EX)
