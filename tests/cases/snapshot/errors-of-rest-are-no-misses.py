#!/usr/bin/env python3
"""While REST refuses, a snapshot that is not known yet is not ENOENT; when it answers again, it is there."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    snaps = gw.mnt + "/project1/.snapshots/"
    os.mkdir(snaps + "known")
    t.rest_snapshot_create("later", sim=sim.dir)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "status", "403")
    for _ in range(2):
        got = t.errno_of(os.stat, snaps + "later")
        t.ok(got not in (0, errno.ENOENT), "while REST refuses: " + t.name_of(got))
    t.ok(os.path.isdir(snaps + "known"), "what was known")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
    t.ok(os.path.isdir(snaps + "later"), "found when REST answers")
