#!/usr/bin/env python3
"""A table of 1,024 inodes: a listing of 5,000 files with all attributes works, and lookups and new files go on afterwards."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

N = 5000

with t.own_mount("max_nodes=1024") as (sim, gw):
    top, behind = gw.mnt + "/project1/big", sim.path() + "/big"
    os.mkdir(top)
    for i in range(N):
        t.write("%s/f%04d" % (behind, i), b"x" * (i % 7))
    for _ in range(2):
        with os.scandir(top) as it:
            sizes = {e.name: e.stat(follow_symlinks=False).st_size for e in it}
        t.eq(sizes, {"f%04d" % i: i % 7 for i in range(N)}, "names and sizes")
    for i in range(0, N, 97):
        t.wait_for(lambda i=i: t.errno_of(os.stat, "%s/f%04d" % (top, i)) == 0, "lookup of a file", 15)
        t.eq(t.read("%s/f%04d" % (top, i)), b"x" * (i % 7), "content")
    t.wait_for(lambda: t.errno_of(t.write, gw.mnt + "/project1/last", "x") == 0, "room for a new file", 15)
    t.wait_for(lambda: t.errno_of(os.mkdir, gw.mnt + "/project1/.snapshots/s") in (0, errno.EEXIST), "a snapshot", 15)
    t.eq(len(os.listdir(gw.mnt + "/project1/.snapshots/s/big")), N, "names in the snapshot")
