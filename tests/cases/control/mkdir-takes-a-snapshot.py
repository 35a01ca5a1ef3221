#!/usr/bin/env python3
"""mkdir in .snapshots takes a snapshot: there in REST and readable when it returns; it holds every byte written before."""
# cells: mkdir/snapdir
import os
import stat
import ontapfs_test as t

for i in range(20):
    t.write(t.CASE + "/f", "%06d" % i)
    p = t.snap("n%d" % i)
    os.mkdir(p, 0o000)  # the mode is ignored
    t.eq(t.read(t.in_snap("n%d" % i) + "/f"), b"%06d" % i, "bytes in the snapshot")
names = t.rest_snapshots()
t.ok(all(t.SNAP + "n%d" % i in names for i in range(20)), "all are in REST")
st = os.stat(t.snap("n0"))
t.eq(stat.S_IMODE(st.st_mode), stat.S_IMODE(os.stat(t.MNT + "/project1").st_mode), "mode is the volume root's")
# An open descriptor's written bytes are in it, closed or not.
fd = os.open(t.CASE + "/g", os.O_RDWR | os.O_CREAT)
os.write(fd, b"x" * 300000)
t.take("open")
t.eq(t.read(t.in_snap("open") + "/g"), b"x" * 300000, "bytes of an open file")
os.close(fd)
