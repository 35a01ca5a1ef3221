#!/usr/bin/env python3
"""A snapshot whose expiry lies ahead is not deleted, armed or not, by its creator or an admin; +0d lets it go. No comment forges its creator."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_mount("allow=snapshot.create+snapshot.delete+snapshot.retain+foreign") as (sim, gw):
    s = gw.mnt + "/project1/.snapshots/s"
    os.mkdir(s)
    for bad in (b"", b"tomorrow", b"+3", b"+3y", b"2001-01-01", b"2030-13-01"):
        t.expect(errno.EINVAL, os.setxattr, s, "ontap.snapshot.expiry", bad)
    for text in (b"2090-01-31", b"2090-01-31T12:00:00+02:00", b"+30d"):
        os.setxattr(s, "ontap.snapshot.expiry", text)
        t.ok(os.getxattr(s, "ontap.snapshot.expiry") > b"2026", "expiry after %r" % text)
        os.setxattr(s, "ontap.arm", b"s")
        t.expect(errno.EPERM, os.rmdir, s)
        t.ok("retained until" in t.last_error(gw.mnt), t.last_error(gw.mnt))
    os.setxattr(s, "ontap.snapshot.expiry", b"+0d")
    t.wait_for(lambda: t.errno_of(os.rmdir, s) == 0, "the snapshot goes", 10)
    # One that others made has no record; nobody writes himself one.
    t.rest_snapshot_create("other", sim=sim.dir)
    o = gw.mnt + "/project1/.snapshots/other"
    forged = b'{"ontapfs":{"uid":0,"realm":"x","request":"00000000-0000-0000-0000-000000000000"}}'
    t.expect(errno.EPERM, os.setxattr, o, "ontap.snapshot.comment", b"x " + forged)
    os.setxattr(o, "ontap.snapshot.comment", b"x")
