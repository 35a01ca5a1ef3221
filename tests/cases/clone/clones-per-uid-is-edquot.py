#!/usr/bin/env python3
"""clones_per_uid: EDQUOT and last_error names the limit; a deleted clone counts no more; others and admins go on; 0 is no limit."""
# needs: own-mount
# cells: symlink/root mkdir/clonedir
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/m1", "clones_per_uid=2") as gw:
        clones = gw.mnt + "/project1/.clones/"
        os.mkdir(gw.mnt + "/project1/.snapshots/s")
        t.run_as(t.A, t.A, os.mkdir, clones + "a1")
        t.run_as(t.A, t.A, os.symlink, "project1@s", gw.mnt + "/a2")
        t.expect(errno.EDQUOT, t.run_as, t.A, t.A, os.mkdir, clones + "a3")
        t.expect(errno.EDQUOT, t.run_as, t.A, t.A, os.symlink, "project1@s", gw.mnt + "/a3")
        text = t.run_as(t.A, t.A, t.last_error, gw.mnt)
        t.ok("clones_per_uid" in text, "last_error: " + text)
        t.run_as(t.B, t.B, os.mkdir, clones + "b1")
        for i in range(3):
            os.mkdir(clones + "root%d" % i)
        t.run_as(t.A, t.A, os.rmdir, clones + "a1")
        t.run_as(t.A, t.A, os.mkdir, clones + "a3")
        t.expect(errno.EDQUOT, t.run_as, t.A, t.A, os.mkdir, clones + "a4")
    with t.Gateway(sim.backend, t.WORK + "/m2", "clones_per_uid=0") as gw:
        t.run_as(t.A, t.A, os.mkdir, gw.mnt + "/project1/.clones/a4")
        t.eq({n for n in os.listdir(gw.mnt) if n[0] == "a"}, {"a2", "a3", "a4"}, "clones of A")
