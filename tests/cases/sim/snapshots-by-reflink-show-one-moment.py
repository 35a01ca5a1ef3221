#!/usr/bin/env python3
"""With --nfs=ganesha the server stands still while a volume is copied: a snapshot never shows a later write without an earlier one."""
# needs: own-mount
# time-limit: 120
import os
import threading
import ontapfs_test as t

t.need("ganesha.nfsd", "mkfs.xfs")

SNAPSHOTS, PLACES = 6, 8
stop = threading.Event()
rounds = [0]


def writer(top):
    """Counts by the size of one file after the other, each change answered before the next: no file is ahead of
    the one before it, or more than one behind."""
    while not stop.is_set():
        rounds[0] += 1
        for i in range(PLACES):
            os.truncate("%s/%d/count" % (top, i), rounds[0])


with t.own_sim("--nfs=ganesha") as sim, t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
    behind = sim.path() + "/d"
    # Between the first and the last of them the copying has much to do.
    for i in range(PLACES):
        os.makedirs("%s/%d" % (behind, i))
        t.write("%s/%d/count" % (behind, i), "")
        for j in range(200):
            t.write("%s/%d/%d" % (behind, i, j), "x")
    th = threading.Thread(target=writer, args=(gw.mnt + "/project1/d",))
    th.start()
    try:
        for s in range(SNAPSHOTS):
            before = rounds[0]
            t.wait_for(lambda: rounds[0] > before + 2, "the writer goes on")
            os.mkdir(gw.mnt + "/project1/.snapshots/s%d" % s)
    finally:
        stop.set()
        th.join()
    for s in range(SNAPSHOTS):
        d = sim.path("project1", "s%d" % s) + "/d"
        n = [os.stat("%s/%d/count" % (d, i)).st_size for i in range(PLACES)]
        t.ok(n[0] > 0 and n == sorted(n, reverse=True) and n[0] - n[-1] <= 1, "snapshot %d: %s" % (s, n))
