#!/usr/bin/env python3
"""A volume that is taken offline: ESTALE under those who use it, left out of the tree with the reason, and back when it is online again."""
# needs: own-mount
import errno
import os
import ontapfs_test as t


def change(sim, name, **fields):
    t.rest_job("PATCH", "/storage/volumes/" + t.volume_uuid(name, sim.dir), fields, sim.dir)


with t.own_mount("catalog_refresh=1", "attr_timeout=0") as (sim, gw):
    f = gw.mnt + "/project1/f"
    t.write(f, "bytes")
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    t.eq(t.read(gw.mnt + "/project1/.snapshots/s/f"), b"bytes", "the snapshot")
    held = os.open(f, os.O_RDWR)
    change(sim, "project1", state="offline")
    t.wait_for(lambda: "project1" not in os.listdir(gw.mnt), "it to leave the tree", 20)
    t.expect(errno.ESTALE, os.pwrite, held, b"x", 0)
    t.expect(errno.ENOENT, os.stat, f)
    t.expect((errno.ENOENT, errno.ESTALE), os.mkdir, gw.mnt + "/project1/.snapshots/t")
    status = t.read(gw.mnt + "/.ontap/status").decode()
    t.ok("project1: it is not online" in status, "status:\n" + status)
    t.eq(sorted(os.listdir(gw.mnt)), ["imagenet", "trident_pvc"], "the others stay")
    change(sim, "project1", state="online")
    change(sim, "project1", nas={"path": "/project1"})  # that went with it
    t.wait_for(lambda: not t.errno_of(os.stat, f), "it to come back", 20)
    t.eq(t.read(f), b"bytes", "its bytes")
    os.close(held)
