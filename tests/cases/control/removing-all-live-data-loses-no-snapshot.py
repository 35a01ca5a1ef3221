#!/usr/bin/env python3
"""`rm -rf project1/*`, and even `rm -rf project1`, leave every snapshot."""
# needs: own-mount
# cells: rule-6.1 rmdir/root rule-6.4
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    vol = gw.mnt + "/project1"
    for d in range(5):
        os.makedirs("%s/d%d/e" % (vol, d))
        for i in range(20):
            t.write("%s/d%d/e/f%d" % (vol, d, i), "content %d %d" % (d, i))
    for n in ("run1", "run2"):
        os.mkdir("%s/.snapshots/%s" % (vol, n))
    before = t.rest_snapshots(sim=sim.dir)
    t.run("sh", "-c", 'rm -rf "$1"/*', "sh", vol)
    t.eq(os.listdir(vol), [], "live data is gone")
    t.eq(t.rest_snapshots(sim=sim.dir), before, "snapshots after rm -rf project1/*")
    p = t.run("rm", "-rf", vol, check=False)
    t.ok(p.returncode != 0, "rm -rf project1 cannot succeed")
    t.run("sh", "-c", 'rm -rf "$1"/* "$1"/.[!.]*', "sh", gw.mnt, check=False)
    t.eq(t.rest_snapshots(sim=sim.dir), before, "snapshots after rm -rf of everything")
    for n in before:
        if n in ("run1", "run2"):
            for d in range(5):
                for i in range(20):
                    t.eq(t.read("%s/.snapshots/%s/d%d/e/f%d" % (vol, n, d, i)), b"content %d %d" % (d, i), "frozen file")
