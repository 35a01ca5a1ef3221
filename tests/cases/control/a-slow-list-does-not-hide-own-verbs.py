#!/usr/bin/env python3
"""Who does not wait for a slow list of snapshots sees the older one with what this mount did since."""
# needs: own-mount
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    s = gw.mnt + "/project1/.snapshots/"
    for n in ("stays", "goes", "old"):
        os.mkdir(s + n)
    t.eq(sorted(os.listdir(s)), ["goes", "old", "stays"], "the listing before")
    for verb, names in ((lambda: os.mkdir(s + "made"), ["goes", "made", "old", "stays"]),
                        (lambda: os.rename(s + "old", s + "new"), ["goes", "made", "new", "stays"]),
                        (lambda: os.rmdir(s + "goes"), ["made", "new", "stays"])):
        verb()
        t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "GET", "delay", "1500")
        t.eq(sorted(os.listdir(s)), names, "the listing of a slow ONTAP")
        t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
