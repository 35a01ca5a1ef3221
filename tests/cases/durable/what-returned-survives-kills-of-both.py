#!/usr/bin/env python3
"""What a write, msync, fsync or close promised survives kill -9 of server and gateway under load."""
# needs: own-mount
# time-limit: 180
# not-on: ganesha (the server of the simulator forgets what it was not told to keep)
# log-ok: killed by signal 9|died of signal 9
import stamps
import ontapfs_test as t

with t.own_mount(sim_args=("--unstable",)) as (sim, gw):
    print("%d kills, %d writes" % stamps.kills_under_load(sim, gw, ("both",), range(2)))
