#!/usr/bin/env python3
"""A clone is made only by who may write in the volume's root, and whom `allow` lets: else EACCES, and last_error tells."""
# needs: own-mount
# cells: symlink/root symlink/clonedir mkdir/clonedir rmdir/clonedir
import errno
import os
import ontapfs_test as t


def link(gw, uid, name, groups=()):
    return t.run_as(uid, uid, os.symlink, "project1/.snapshots/s", gw.mnt + "/" + name, groups=groups)


def make(gw, uid, name, groups=()):
    return t.run_as(uid, uid, os.mkdir, gw.mnt + "/project1/.clones/" + name, groups=groups)


def said(gw, uid):
    return t.run_as(uid, uid, t.last_error, gw.mnt)


with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/m1") as gw:
        os.mkdir(gw.mnt + "/project1/.snapshots/s")
        link(gw, t.A, "a_open")
        os.chmod(gw.mnt + "/project1", 0o755)
        t.expect(errno.EACCES, link, gw, t.A, "a1")
        t.ok("write permission" in said(gw, t.A), "last_error of A: " + said(gw, t.A))
        t.expect(errno.EACCES, make, gw, t.A, "a2")
        t.expect(errno.EACCES, t.run_as, t.A, t.A, os.symlink, "../.snapshots/s", gw.mnt + "/project1/.clones/a3")
        os.chmod(gw.mnt + "/project1", 0o775)
        os.chown(gw.mnt + "/project1", 0, t.TEAM)
        t.wait_for(lambda: t.errno_of(link, gw, t.B, "b_group", (t.TEAM,)) == 0, "a clone by group right", 5)
        t.expect(errno.EACCES, link, gw, t.B, "b1")
        t.eq(t.rest_volumes(sim.dir), ["a_open", "b_group", "imagenet", "project1", "trident_pvc"], "volumes")
        os.chmod(gw.mnt + "/project1", 0o777)
    with t.Gateway(sim.backend, t.WORK + "/m2", "allow=snapshot.create+clone.delete") as gw:
        t.eq(os.stat(gw.mnt).st_mode & 0o7777, 0o755, "mode of a root where nobody may make anything")
        for uid in (0, t.A):
            t.expect(errno.EACCES, link, gw, uid, "x")
            t.expect(errno.EACCES, make, gw, uid, "x")
        t.ok("clone.create" in t.last_error(gw.mnt), "last_error names the verb")
    with t.Gateway(sim.backend, t.WORK + "/m3", "allow=clone.create:gid=%d+clone.delete:gid=%d" % (t.TEAM, t.TEAM)) as gw:
        t.eq(os.stat(gw.mnt).st_mode & 0o7777, 0o777, "mode of a root where somebody may")
        for uid in (0, t.A):
            t.expect(errno.EACCES, link, gw, uid, "x")
        t.ok(str(t.TEAM) in said(gw, t.A), "last_error of A: " + said(gw, t.A))
        link(gw, t.A, "a_team", (t.TEAM,))
        t.expect(errno.EACCES, t.run_as, t.A, t.A, os.rmdir, gw.mnt + "/project1/.clones/a_team")
        t.run_as(t.A, t.A, os.rmdir, gw.mnt + "/project1/.clones/a_team", groups=(t.TEAM,))
        t.eq(t.rest_volume("a_team", sim.dir), None, "the deleted clone")
