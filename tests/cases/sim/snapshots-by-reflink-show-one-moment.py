#!/usr/bin/env python3
"""With --nfs=ganesha the server stands still while a volume is copied: a snapshot never shows a later write without an earlier one."""
# needs: own-mount
# time-limit: 120
import os
import threading
import ontapfs_test as t

t.need("ganesha.nfsd", "mkfs.xfs")

SNAPSHOTS = 5
stop = threading.Event()
rounds = [0]


def writer(top):
    """Counts in one file after the other: each may be at most one behind the one before it."""
    fds = [os.open("%s/%02d" % (top, i), os.O_CREAT | os.O_RDWR) for i in range(8)]
    while not stop.is_set():
        rounds[0] += 1
        for fd in fds:
            os.pwrite(fd, b"%08d" % rounds[0], 0)
            os.fsync(fd)
    for fd in fds:
        os.close(fd)


with t.own_sim("--nfs=ganesha") as sim, t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
    top = gw.mnt + "/project1/d"
    os.mkdir(top)
    # Between the first and the last file the copying has much to do.
    for i in range(1000):
        t.write("%s/%02d-%d" % (sim.path() + "/d", i % 8, i), "x" * 5000)
    th = threading.Thread(target=writer, args=(top,))
    th.start()
    try:
        t.wait_for(lambda: rounds[0] > 3, "the writer")
        for s in range(SNAPSHOTS):
            before = rounds[0]
            os.mkdir(gw.mnt + "/project1/.snapshots/s%d" % s)
            t.wait_for(lambda: rounds[0] > before + 2, "the writer goes on after a snapshot")
    finally:
        stop.set()
        th.join()
    for s in range(SNAPSHOTS):
        d = sim.path("project1", "s%d" % s) + "/d"
        n = [int(t.read("%s/%02d" % (d, i))) for i in range(8)]
        t.ok(n == sorted(n, reverse=True) and n[0] - n[-1] <= 1, "snapshot %d shows more than one moment: %s" % (s, n))
