#!/usr/bin/env python3
"""allow=VERB:gid=N for the verbs of snapshots and clones: members may, others are EACCES with the group named, admins too."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

VERBS = ("snapshot.create", "snapshot.delete", "snapshot.rename", "clone.create", "clone.delete")

with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/m", "allow=" + "+".join("%s:gid=%d" % (v, t.TEAM) for v in VERBS)) as gw:
        os.chmod(gw.mnt + "/project1", 0o777)
        s, c = gw.mnt + "/project1/.snapshots/", gw.mnt + "/project1/.clones/"
        steps = ((VERBS[0], os.mkdir, (s + "a",)), (VERBS[2], os.rename, (s + "a", s + "b")),
                 (VERBS[3], os.symlink, ("project1@b", gw.mnt + "/x")), (VERBS[3], os.mkdir, (c + "y",)),
                 (VERBS[4], os.rmdir, (c + "y",)), (VERBS[1], os.rmdir, (s + "b",)))
        for verb, fn, args in steps:
            for uid, groups in ((t.B, (t.TEAM + 1,)), (0, ())):
                t.expect(errno.EACCES, t.run_as, uid, uid, fn, *args, groups=groups)
                text = t.run_as(uid, uid, t.last_error, gw.mnt)
                t.ok(verb in text and str(t.TEAM) in text, "%s: %s" % (verb, text))
            if args == (s + "b",):
                t.expect(errno.EBUSY, t.run_as, t.A, t.A, fn, *args, groups=(t.TEAM,))  # the base of x
            else:
                t.run_as(t.A, t.A, fn, *args, groups=(t.TEAM,))
        t.eq(t.rest_volumes(sim.dir), ["imagenet", "project1", "trident_pvc", "x"], "volumes")
