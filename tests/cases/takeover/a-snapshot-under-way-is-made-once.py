#!/usr/bin/env python3
"""The daemon is killed while ONTAP makes a snapshot: mkdir succeeds, it is made once and is the caller's."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: takeover mkdir/snapdir
import os
import subprocess
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.listdir(gw.mnt + "/project1/.snapshots")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "700")
    with subprocess.Popen(["mkdir", "s"], cwd=gw.mnt + "/project1/.snapshots", stdin=subprocess.DEVNULL) as p:
        t.wait_for(lambda: t.read(gw.mnt + "/.ontap/jobs"), "the verb", 5)
        gw.replace_daemon()
        t.eq(p.wait(30), 0, "mkdir")
    t.eq(list(t.rest_snapshots(sim=sim.dir)), ["s"], "snapshots")
    t.eq(os.listdir(gw.mnt + "/project1/.snapshots"), ["s"], "listed")
