#!/usr/bin/env python3
"""rmdir of a volume is EPERM; where volume.delete is allowed and the same user armed it, it is deleted, unless snapshots, clones or open files hold it."""
# needs: own-mount
# cells: rmdir-volume/root rule-6.4 rule-6.4-arm
# log-ok: killed by signal 9|died of signal 9
# time-limit: 120
import errno
import os
import ontapfs_test as t

ALLOW = "allow=snapshot.create+snapshot.delete+clone.create+clone.delete+volume.create+volume.delete"

with t.own_mount() as (sim, gw):
    v = gw.mnt + "/project1"
    t.expect(errno.EPERM, os.setxattr, v, "ontap.arm", b"project1")
    t.expect(errno.EPERM, os.rmdir, v)
    t.ok("volume.delete" in t.last_error(gw.mnt), t.last_error(gw.mnt))
with t.own_mount(ALLOW, name="m2") as (sim, gw):
    def arm(path):
        os.setxattr(path, "ontap.arm", os.path.basename(path).encode())
    v = gw.mnt + "/project1"
    t.expect(errno.EPERM, os.rmdir, v)
    t.ok("ontap.arm" in t.last_error(gw.mnt), t.last_error(gw.mnt))
    t.expect(errno.EINVAL, os.setxattr, v, "ontap.arm", b"project9")
    # Another user's arming does not count, and a volume made elsewhere is for admins.
    t.run_as(t.A, t.A, os.setxattr, v, "ontap.arm", b"project1")
    t.expect(errno.EPERM, os.rmdir, v)
    t.expect(errno.EPERM, t.run_as, t.A, t.A, os.rmdir, v)
    arm(v)
    os.mkdir(v + "/.snapshots/s")
    t.expect(errno.EBUSY, os.rmdir, v)
    t.run("rmdir", v + "/.snapshots/s")
    t.write(v + "/f", "x")
    with open(v + "/f", "rb"):
        t.expect(errno.EBUSY, os.rmdir, v)
    t.ok(t.rest_volume("project1", sim.dir), "it is still there")
    gw.replace_daemon()
    t.expect(errno.EPERM, os.rmdir, v)  # forgotten
    arm(v)
    os.rmdir(v)
    t.eq(t.rest_volume("project1", sim.dir), None, "the volume")
    t.expect(errno.ENOENT, os.lstat, v)
    t.ok("project1" not in os.listdir(gw.mnt), "listed")
    # Its maker deletes what he made.
    t.run_as(t.A, t.A, os.mkdir, gw.mnt + "/mine")
    t.run_as(t.B, t.B, os.setxattr, gw.mnt + "/mine", "ontap.arm", b"mine")
    t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rmdir, gw.mnt + "/mine")
    for s in t.rest_snapshots("mine", sim.dir):
        t.rest_snapshot_delete(s, "mine", sim.dir)
    t.ok(t.rest_volume("mine", sim.dir), "another user deleted it")
    t.run_as(t.A, t.A, os.setxattr, gw.mnt + "/mine", "ontap.arm", b"mine")
    t.run_as(t.A, t.A, os.rmdir, gw.mnt + "/mine")
    t.eq(t.rest_volume("mine", sim.dir), None, "his volume")
