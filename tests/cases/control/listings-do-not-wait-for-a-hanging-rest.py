#!/usr/bin/env python3
"""REST accepts and never answers: .snapshots is listed from what is known at once, verbs are ETIMEDOUT."""
# needs: own-mount
import errno
import os
import time
import ontapfs_test as t


def timed(limit, what, fn, *args):
    begin = time.monotonic()
    try:
        return fn(*args)
    finally:
        took = time.monotonic() - begin
        print("%s: %.1f s" % (what, took))
        t.ok(took < limit, "%s took %.1f s" % (what, took))


with t.own_mount("control_timeout=3", "snapshot_refresh=1") as (sim, gw):
    vol = gw.mnt + "/project1"
    t.write(vol + "/f", "live")
    names = ["s1", "s2"]
    for n in names:
        os.mkdir(vol + "/.snapshots/" + n)
    t.eq(sorted(os.listdir(vol + "/.snapshots")), names, "first listing")
    with sim.silent("rest"):
        # Older than snapshot_refresh by now, and the question in the background has had no answer
        # for longer than people wait; a listing asks twice, when opened and when read.
        t.pause(2.5)
        for _ in range(3):
            t.eq(sorted(timed(1, "a listing", os.listdir, vol + "/.snapshots")), names, "listing")
        t.eq(timed(4, "a known snapshot", t.read, vol + "/.snapshots/s1/f"), b"live", "known snapshot")
        timed(4, "live data", t.write, vol + "/g", "x")
        t.expect(errno.ETIMEDOUT, timed, 6, "mkdir", os.mkdir, vol + "/.snapshots/n")
        t.expect(errno.ETIMEDOUT, timed, 6, "rmdir", os.rmdir, vol + "/.snapshots/s2")
    # What was asked meanwhile may still be done by ONTAP; the tree tells the truth about it.
    t.wait_for(lambda: t.errno_of(os.mkdir, vol + "/.snapshots/back") in (0, errno.EEXIST), "REST to be back", 20)
    t.wait_for(lambda: sorted(os.listdir(vol + "/.snapshots")) == sorted(t.rest_snapshots(sim=sim.dir)),
               "the tree to show what ONTAP has", 10)
