#!/usr/bin/env python3
"""The daemon is killed while ONTAP's REST hangs: its successor serves data and what was known; verbs work when REST is back."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
import errno
import os
import time
import ontapfs_test as t

with t.own_mount("control_timeout=2") as (sim, gw):
    vol = gw.mnt + "/project1"
    t.write(vol + "/f", "live")
    os.mkdir(vol + "/.snapshots/s")
    t.eq(t.read(vol + "/.snapshots/s/f"), b"live", "snapshot")
    roots = sorted(os.listdir(gw.mnt))
    held = os.open(vol + "/f", os.O_RDWR)
    for name in roots:
        os.listdir(gw.mnt + "/" + name)
    with sim.silent("rest"):
        begin = time.monotonic()
        gw.replace_daemon()
        os.pwrite(held, b"LI", 0)
        t.eq(t.read(vol + "/f"), b"LIve", "live data")
        took = time.monotonic() - begin
        t.ok(took < 5, "data after %.1f s" % took)
        t.write(vol + "/made", "while REST is away")
        os.rename(vol + "/made", vol + "/moved")
        t.eq(t.read(vol + "/moved"), b"while REST is away", "a new file")
        t.eq(t.read(vol + "/.snapshots/s/f"), b"live", "known snapshot")
        # What the kernel knows of the name goes: it is looked up, and REST is not there to tell.
        t.write("/proc/sys/vm/drop_caches", "2")
        t.eq(t.read(vol + "/.snapshots/s/f"), b"live", "known snapshot, looked up")
        t.eq(os.listdir(vol + "/.snapshots/s"), ["f"], "names in it")
        t.eq(sorted(os.listdir(gw.mnt)), roots, "volumes in the root")
        for name in roots:
            os.listdir(gw.mnt + "/" + name)
        begin = time.monotonic()
        t.expect(errno.ETIMEDOUT, os.mkdir, vol + "/.snapshots/n")
        took = time.monotonic() - begin
        t.ok(took < 8, "ETIMEDOUT after %.1f s" % took)
        t.read(gw.mnt + "/.ontap/status.json")
    begin = time.monotonic()
    t.wait_for(lambda: t.errno_of(os.mkdir, vol + "/.snapshots/n") in (0, errno.EEXIST), "a new snapshot", 20)
    print("verbs again after %.1f s" % (time.monotonic() - begin))
    t.eq(sorted(t.rest_snapshots(sim=sim.dir)), ["n", "s"], "snapshots")
    t.eq(sorted(os.listdir(vol + "/.snapshots")), ["n", "s"], "listed")
    t.eq(t.read(vol + "/.snapshots/n/f"), b"LIve", "new snapshot")
    os.close(held)
