#!/usr/bin/env python3
"""A FlexCache is a volume of the tree: it reads and writes through to its origin, and ontap.volume.style names it."""
# needs: own-mount
# cells: flexcache
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    src = sim.path("project1")
    os.makedirs(src + "/d")
    t.write(src + "/d/f", "at the origin")
    t.rest_snapshot_create("epoch1", sim=sim.dir)
    t.rest_job("POST", "/storage/flexcache/flexcaches", {
        "name": "near", "svm": {"name": "svm1"}, "path": "/near",
        "origins": [{"svm": {"name": "svm1"}, "volume": {"name": "project1"}}]}, sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        os.chdir(gw.mnt)
        t.ok("near" in os.listdir("."), "the root lists it")
        t.eq([os.getxattr("near", "ontap." + a) for a in ("kind", "volume.style", "volume.type")],
             [b"volume", b"flexcache", b"rw"], "what it is")
        t.eq(os.getxattr("project1", "ontap.volume.style"), b"flexvol", "and its origin")
        t.eq(t.read("near/d/f"), b"at the origin", "read through")
        t.write("near/d/g", "from the cache")
        t.eq(t.read("project1/d/g"), b"from the cache", "written through")
        t.write("project1/d/f", "changed there")
        t.wait_for(lambda: t.read("near/d/f") == b"changed there", "the origin's change", 10)
        os.unlink("near/d/g")
        t.expect(errno.ENOENT, os.stat, "project1/d/g")
        t.ok(os.stat("near/d/f").st_ino != os.stat("project1/d/f").st_ino, "inode numbers of cache and origin")

        t.eq(os.listdir("near/.snapshots"), [], "a cache has no snapshots")
        for what, fn in (("snapshot", lambda: os.mkdir("near/.snapshots/s")), ("clone", lambda: os.mkdir("near/.clones/c"))):
            t.ok(t.errno_of(fn) in (errno.EPERM, errno.EOPNOTSUPP), "%s of a cache: %s" % (what, t.name_of(t.errno_of(fn))))
            t.ok("FlexCache" in t.last_error("."), "last_error: " + t.last_error("."))
        t.eq(t.rest_volumes(sim.dir), ["imagenet", "near", "project1", "trident_pvc"], "volumes")
        os.chdir("/")
