#!/usr/bin/env python3
"""The counters of .ontap/stats count what was done."""
# needs: own-mount
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    before = t.stats(gw.mnt)
    t.write(gw.mnt + "/project1/f", b"x" * 300000)
    t.write(sim.path("project1") + "/g", b"y" * 300000)
    t.read(gw.mnt + "/project1/g")
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    after = t.stats(gw.mnt)
    for proc in ("WRITE", "READ", "CREATE", "LOOKUP"):
        d = t.counter(after, "ontapfs_nfs_calls_total", proc=proc) - t.counter(before, "ontapfs_nfs_calls_total", proc=proc)
        t.ok(d > 0, "NFS %s was counted" % proc)
    for op in ("WRITE", "READ", "MKDIR"):
        d = t.counter(after, "ontapfs_fuse_requests_total", op=op) - t.counter(before, "ontapfs_fuse_requests_total", op=op)
        t.ok(d > 0, "FUSE %s was counted" % op)
    t.ok(all(after[k] >= before.get(k, 0) for k in after if k.split("{")[0].endswith("_total")), "counters only grow")
