#!/usr/bin/env python3
"""REST gone: reads and writes go on, a snapshot is ETIMEDOUT within control_timeout."""
# needs: own-mount
# cells: control-timeout
import errno
import os
import time
import ontapfs_test as t

with t.own_sim() as sim, t.Gateway(sim.backend, t.WORK + "/mnt", "control_timeout=2") as gw:
    vol = gw.mnt + "/project1"
    os.mkdir(vol + "/.snapshots/before")
    t.ok("before" in os.listdir(vol + "/.snapshots"), "listed")
    t.write(vol + "/f", "x")
    p = t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "delay", "60000", check=False)
    if p.returncode != 0:
        t.skip("the simulator has no REST faults: " + p.stderr.strip())
    try:
        begin = time.monotonic()
        t.expect(errno.ETIMEDOUT, os.mkdir, vol + "/.snapshots/during")
        took = time.monotonic() - begin
        t.ok(took < 10, "ETIMEDOUT after %.1f s" % took)
        t.write(vol + "/g", "while REST is away")
        t.eq(t.read(vol + "/g"), b"while REST is away", "data flows")
        t.ok("before" in os.listdir(vol + "/.snapshots"), "cached listing")
        t.eq(t.read(vol + "/.snapshots/before/f") if os.path.exists(vol + "/.snapshots/before/f") else b"", b"",
             "the snapshot is older than the file")
        t.read(gw.mnt + "/.ontap/status.json")
    finally:
        t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
    t.wait_for(lambda: t.errno_of(os.mkdir, vol + "/.snapshots/after") in (0, errno.EEXIST), "REST to be back", 30)
