#!/usr/bin/env python3
"""The daemon is killed while REST hangs: its successor still shows clones as links at the root and directories in .clones, and the data flows."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: takeover
import os
import ontapfs_test as t

with t.own_mount("control_timeout=2") as (sim, gw):
    os.chdir(gw.mnt)
    t.write("project1/f", "base")
    os.mkdir("project1/.snapshots/s")
    os.symlink("project1/.snapshots/s", "exp1")
    os.mkdir("exp1/.clones/exp2")
    held = os.open("exp1/f", os.O_RDWR)
    t.eq(t.read("exp2/f"), b"base", "bytes of the clone's clone")

    def picture():
        return {
            "root": sorted((e.name, e.is_symlink()) for e in os.scandir(".")),
            "links": {n: os.readlink(n) if os.path.islink(n) else "a directory" for n in ("exp1", "exp2")},
            ".clones": os.listdir("project1/.clones"), "of exp1": os.listdir("project1/.clones/exp1/.clones"),
            "kinds": [os.getxattr(p, "ontap.kind").decode() for p in ("project1", "project1/.clones/exp1")],
        }
    before = picture()
    with sim.silent("rest"):
        gw.replace_daemon()
        os.pwrite(held, b"mine", 0)
        t.eq(t.read("project1/.clones/exp1/f"), b"mine", "bytes through .clones")
        t.eq(picture(), before, "the tree without REST, after a takeover")
        t.eq(t.read("exp1/f"), b"mine", "bytes through the link")
    os.close(held)
    t.eq(picture(), before, "the tree with REST")
    os.chdir("/")
