#!/usr/bin/env python3
"""snapdir=visible lists .snapshots and .clones at roots of volumes and clones only; off takes both away; snapdir_name renames, links and clones follow."""
# needs: own-mount
# cells: readdir/live rule-6.2-visible
import datetime
import errno
import os
import time
import ontapfs_test as t

with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/visible", "snapdir=visible") as gw:
        os.chdir(gw.mnt)
        os.mkdir("project1/d")
        t.write("project1/d/f", "base")
        os.mkdir("project1/.snapshots/s")
        os.symlink("project1/.snapshots/s", "exp1")
        # Its own, by ONTAP's times too, which are whole seconds.
        born = datetime.datetime.fromisoformat(t.rest_volume("exp1", sim.dir)["create_time"]).timestamp()
        t.wait_for(lambda: time.time() >= born + 1, "the next second")
        os.mkdir("exp1/.snapshots/t")
        t.eq(sorted(os.listdir("project1")), [".snapshots", "d"], "a volume's root")
        t.eq(sorted(os.listdir("exp1")), [".snapshots", "d"], "a clone's root")
        for inner in ("project1/d", "project1/.snapshots/s/d"):
            t.eq(os.listdir(inner), ["f"], inner)
        t.eq(os.listdir("project1/.snapshots/s"), ["d"], "a snapshot's root")
        t.eq(sorted(os.listdir(".")), ["exp1", "imagenet", "project1", "trident_pvc"], "the root")
        for cmd in ("rm -rf project1/* project1/.[!.]*", "find . -mindepth 1 -delete", "rm -rf exp1/* exp1/.[!.]*",
                    "cd project1/.snapshots && rm -rf *", "cd project1/.clones && rm -rf *"):
            t.run("sh", "-c", cmd, check=False)
        t.eq(sorted(n for n in t.rest_snapshots(sim=sim.dir)), ["s"], "snapshots after all walkers")
        t.ok("t" in t.rest_snapshots("exp1", sim.dir), "the clone's snapshot")
        t.eq(t.read("project1/.snapshots/s/d/f"), b"base", "its bytes")
        t.ok(t.rest_volume("exp1", sim.dir), "the clone: it has a snapshot of its own")
        os.chdir("/")
    with t.Gateway(sim.backend, t.WORK + "/off", "snapdir=off") as gw:
        for n in (".snapshots", ".snapshot", ".clones"):
            t.expect(errno.ENOENT, os.lstat, gw.mnt + "/project1/" + n)
        # They are names like any other then; all but ONTAP's own.
        os.mkdir(gw.mnt + "/project1/.snapshots")
        os.rmdir(gw.mnt + "/project1/.snapshots")
        t.expect(errno.EPERM, os.mkdir, gw.mnt + "/project1/.snapshot")
    with t.Gateway(sim.backend, t.WORK + "/renamed", "snapdir_name=versions") as gw:
        os.chdir(gw.mnt)
        os.mkdir("project1/versions/u")
        t.eq(sorted(os.listdir("project1/versions")), ["s", "u"], "under another name")
        t.eq(os.readlink("project1@u"), "project1/versions/u", "the link follows")
        t.eq(os.readlink("project1/.snapshot"), "versions", "the alias follows")
        t.expect(errno.ENOENT, os.lstat, "project1/.snapshots")
        os.symlink("project1/versions/u", "exp2")
        os.symlink("../versions/u", "project1/.clones/exp3")
        os.symlink("project1@u", "exp4")
        t.eq([t.rest_volume(n, sim.dir)["clone"]["parent_snapshot"]["name"] for n in ("exp2", "exp3", "exp4")], ["u"] * 3, "bases")
        t.expect(errno.EPERM, os.symlink, "project1/.snapshots/u", "exp5")
        t.ok("versions" in t.last_error("."), "last_error: " + t.last_error("."))
        os.chdir("/")
