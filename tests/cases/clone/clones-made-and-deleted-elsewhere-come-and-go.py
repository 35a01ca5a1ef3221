#!/usr/bin/env python3
"""A clone that ONTAP made or deleted by itself: found by name at once, listed and gone within catalog_refresh."""
# needs: own-mount
# cells: readdir/root readdir/clonedir
import errno
import os
import ontapfs_test as t

with t.own_mount("catalog_refresh=1") as (sim, gw):
    os.chdir(gw.mnt)
    t.write("project1/f", "base")
    os.mkdir("project1/.snapshots/s")
    before = sorted(os.listdir("."))
    t.rest_clone_create("other", "s", sim=sim.dir)
    t.eq(os.readlink("other"), "project1/.clones/other", "by its name, at once")
    t.wait_for(lambda: "other" in os.listdir(".") and os.listdir("project1/.clones") == ["other"], "the clone in both lists", 5)
    t.eq(t.read("other/f"), b"base", "its bytes")
    t.eq(os.getxattr("other", "ontap.kind"), b"clone", "ontap.kind")
    # Made elsewhere: nobody's here.
    t.expect(errno.EPERM, os.rmdir, "project1/.clones/other")
    t.ok("not made through ontapfs" in t.last_error("project1"), "last_error: " + t.last_error("project1"))
    t.rest_volume_delete("other", sim.dir)
    t.wait_for(lambda: sorted(os.listdir(".")) == before and os.listdir("project1/.clones") == [], "both lists without it", 5)
    for path in ("other", "project1/.clones/other"):
        t.wait_for(lambda p=path: t.errno_of(os.lstat, p) == errno.ENOENT, path + " is ENOENT", 5)
    os.symlink("project1/.snapshots/s", "other")
    t.eq(t.read("other/f"), b"base", "made again under that name")
    # Split from its parent elsewhere: an ordinary volume at the root.
    t.rest_job("PATCH", "/storage/volumes/" + t.volume_uuid("other", sim.dir), {"clone": {"split_initiated": True}}, sim.dir)
    t.wait_for(lambda: not os.path.islink("other") and os.path.isdir("other"), "a directory at the root", 5)
    t.eq((t.read("other/f"), os.getxattr("other", "ontap.kind")), (b"base", b"volume"), "the split clone")
    t.wait_for(lambda: t.errno_of(os.lstat, "project1/.clones/other") == errno.ENOENT, "it is no longer in .clones", 5)
    os.chdir("/")
