#!/usr/bin/env python3
"""volume full: writes end with ENOSPC, names and removals go on; volume room ends it."""
# needs: own-mount
# not-on: ganesha (its volumes have no limit)
import errno
import os
import ontapfs_test as t

sim = t.Sim(t.WORK + "/sim")


def write_through(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(fd, b"x" * 4096)
        os.fsync(fd)
    finally:
        os.close(fd)


try:
    sim.up()
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        f = gw.mnt + "/project1/f"
        t.write(f, "before")
        t.run(t.ONTAPSIM, "ctl", sim.dir, "volume", "full", "project1")
        t.expect(errno.ENOSPC, write_through, gw.mnt + "/project1/g")
        t.eq(os.statvfs(gw.mnt + "/project1").f_bavail, 0, "room")
        t.eq(t.read(f), b"before", "what was there")
        os.unlink(f)
        t.run(t.ONTAPSIM, "ctl", sim.dir, "volume", "room", "project1")
        write_through(gw.mnt + "/project1/g")
finally:
    sim.destroy()
