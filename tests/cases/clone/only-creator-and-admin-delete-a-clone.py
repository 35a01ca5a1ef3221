#!/usr/bin/env python3
"""rmdir of a clone: by its creator or an admin; another user is EPERM, armed or not, a clone of ONTAP's own EPERM for all."""
# needs: own-mount
# cells: rmdir/clonedir rule-6.3-owner
import errno
import os
import ontapfs_test as t

with t.own_mount("admin_uids=%d" % t.C, "catalog_refresh=1") as (sim, gw):
    clones = gw.mnt + "/project1/.clones/"
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    for n in ("a1", "a2", "a3"):
        t.run_as(t.A, t.A, os.mkdir, clones + n)
    t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rmdir, clones + "a1")
    text = t.run_as(t.B, t.B, t.last_error, gw.mnt)
    t.ok(str(t.A) in text, "last_error of B: " + text)
    t.run_as(t.B, t.B, os.setxattr, clones + "a1", "ontap.arm", b"a1")
    t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rmdir, clones + "a1")
    # Root of another user name space, or of a container, is nobody special.
    p = t.run("unshare", "-m", "-p", "-f", "rmdir", clones + "a1", check=False)
    t.ok(p.returncode != 0 and "not permitted" in p.stderr, "rmdir by another container's root: " + p.stderr)
    t.run_as(t.A, t.A, os.rmdir, clones + "a1")
    t.run_as(0, 0, os.rmdir, clones + "a2")
    t.run_as(t.C, t.C, os.rmdir, clones + "a3")
    t.eq(os.listdir(clones), [], "clones")
    t.rest_clone_create("theirs", "s", sim=sim.dir)
    t.wait_for(lambda: "theirs" in os.listdir(clones), "a clone made elsewhere", 5)
    t.expect(errno.EPERM, os.rmdir, clones + "theirs")
    t.ok("not made through ontapfs" in t.last_error(gw.mnt), "last_error: " + t.last_error(gw.mnt))
    t.ok(t.rest_volume("theirs", sim.dir), "it stays")
