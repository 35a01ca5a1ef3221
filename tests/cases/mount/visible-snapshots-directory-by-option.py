#!/usr/bin/env python3
"""snapdir=visible lists .snapshots at volume roots, snapdir_name renames it, snapdir=off hides it altogether."""
# needs: own-mount
# cells: rule-6.2-visible readdir/live
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/m1", "snapdir=visible") as g:
        os.mkdir(g.mnt + "/project1/.snapshots/run1")
        t.ok(".snapshots" in os.listdir(g.mnt + "/project1"), "visible at the volume's root")
        os.mkdir(g.mnt + "/project1/d")
        t.eq(os.listdir(g.mnt + "/project1/d"), [], "and only there")
        # The same rules protect it now that walkers do find it.
        t.run("sh", "-c", 'rm -rf "$1"/* "$1"/.[!.]*', "sh", g.mnt + "/project1", check=False)
        t.ok("run1" in t.rest_snapshots(sim=sim.dir), "rm -rf with a visible .snapshots")
        t.run("find", g.mnt + "/project1", "-mindepth", "1", "-delete", check=False)
        t.ok("run1" in t.rest_snapshots(sim=sim.dir), "find -delete with a visible .snapshots")
    with t.Gateway(sim.backend, t.WORK + "/m2", "snapdir_name=snapshots") as g:
        t.ok("run1" in os.listdir(g.mnt + "/project1/snapshots"), "under another name")
        t.eq(os.readlink(g.mnt + "/project1@run1"), "project1/snapshots/run1", "the link follows")
        t.expect(errno.ENOENT, os.lstat, g.mnt + "/project1/.snapshots")
    with t.Gateway(sim.backend, t.WORK + "/m3", "snapdir=off") as g:
        for n in (".snapshots", ".snapshot"):
            t.expect(errno.ENOENT, os.lstat, g.mnt + "/project1/" + n)
    with t.Gateway(sim.backend, t.WORK + "/m4", "exclude=image*+trident*") as g:
        t.eq(os.listdir(g.mnt), ["project1"], "excluded volumes")
        t.ok("imagenet" in t.read(g.mnt + "/.ontap/status").decode(), "status tells what is left out")
