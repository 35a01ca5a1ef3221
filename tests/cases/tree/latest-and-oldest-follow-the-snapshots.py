#!/usr/bin/env python3
"""@latest and @oldest are lookup-only links; readlink of VOLUME@latest pins the snapshot."""
# needs: own-mount
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    snaps = gw.mnt + "/project1/.snapshots"
    for n in ("run1", "run2", "run3"):
        os.mkdir("%s/%s" % (snaps, n))
    recs = t.rest("GET", "/storage/volumes/%s/snapshots?fields=name,create_time" % t.volume_uuid("project1", sim.dir),
                  sim=sim.dir)[1]["records"]
    oldest = min(recs, key=lambda r: r["create_time"])["name"]
    t.eq(os.readlink(snaps + "/@latest"), "run3", "@latest")
    t.eq(os.readlink(snaps + "/@oldest"), oldest, "@oldest")
    t.eq(os.readlink(gw.mnt + "/project1@latest"), "project1/.snapshots/run3", "project1@latest")
    t.ok(not [n for n in os.listdir(snaps) if n.startswith("@")], "they are not listed")
    t.drop(snaps + "/run3")
    t.eq(os.readlink(snaps + "/@latest"), "run2", "@latest after the newest was deleted")
    os.mkdir(snaps + "/run4")
    t.eq(os.readlink(gw.mnt + "/project1@latest"), "project1/.snapshots/run4", "project1@latest after run4")
    for n in ("@latest", "@oldest"):
        t.expect(t.errno.EPERM, os.unlink, "%s/%s" % (snaps, n))
    t.expect(t.errno.ENOENT, os.lstat, snaps + "/@nothing")
