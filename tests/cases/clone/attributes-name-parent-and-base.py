#!/usr/bin/env python3
"""ontap.clone.parent and .base tell what a clone was made of, inside of it and in its snapshots; a volume has neither."""
# needs: own-mount
# cells: getxattr/live
import errno
import json
import os
import ontapfs_test as t


def of(path):
    return {n: os.getxattr(path, "ontap.clone." + n).decode() for n in ("parent", "base")}


with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt)
    os.mkdir("project1/dir")
    os.mkdir("project1/.snapshots/s1")
    os.symlink("project1@s1", "c1")
    os.mkdir("c1/.snapshots/s2")
    os.symlink("c1@s2", "c2")
    want = {"parent": "project1", "base": "s1"}
    for path in ("project1/.clones/c1", "c1/dir", "c1/.snapshots", "c1/.snapshots/s2/dir"):
        t.eq(of(path), want, path)
        names = os.getxattr(path, "ontap.list").decode().split()
        t.ok({"ontap.clone.parent", "ontap.clone.base"} <= set(names), "ontap.list of %s: %s" % (path, names))
    t.eq(json.loads(os.getxattr("c1/dir", "ontap.json"))["clone"], want, "ontap.json")
    t.eq(of("c2/dir"), {"parent": "c1", "base": "s2"}, "a clone of a clone")
    os.mkdir("project1/.clones/now")
    base = of("project1/.clones/now/.")["base"]
    t.ok(os.path.isdir("project1/.snapshots/" + base), "base of a clone of now: " + base)
    for path in ("project1", "project1/dir", "."):
        for n in ("parent", "base"):
            t.expect(errno.ENODATA, os.getxattr, path, "ontap.clone." + n)
        t.ok(b"ontap.clone." not in os.getxattr(path, "ontap.list"), "ontap.list of " + path)
    t.ok("clone" not in json.loads(os.getxattr("project1/dir", "ontap.json")), "ontap.json of a volume")
    readme = t.read(".ontap/README").decode()
    for words in ("ln -s VOLUME/.snapshots/run1", "ln -s ../.snapshots/run1 VOLUME/.clones/", "mkdir VOLUME/.clones/",
                  "rmdir VOLUME/.clones/", "ontap.arm", "hard link not allowed for directory"):
        t.ok(words in readme, "README has %r" % words)
    os.chdir("/")
