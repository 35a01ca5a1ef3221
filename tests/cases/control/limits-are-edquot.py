#!/usr/bin/env python3
"""snapshots_per_volume and verbs_per_minute: EDQUOT, and last_error names the limit."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    have = len(t.rest_snapshots(sim=sim.dir))
    with t.Gateway(sim.backend, t.WORK + "/mnt", "snapshots_per_volume=%d" % (have + 2)) as gw:
        s = gw.mnt + "/project1/.snapshots/"
        os.mkdir(s + "a")
        os.mkdir(s + "b")
        t.expect(errno.EDQUOT, os.mkdir, s + "c")
        t.ok("snapshots_per_volume" in t.last_error(gw.mnt + "/project1"), "last_error names the limit")
        t.drop(s + "a")
        os.mkdir(s + "c")
    with t.Gateway(sim.backend, t.WORK + "/mnt2", "verbs_per_minute=3") as gw:
        s = gw.mnt + "/project1/.snapshots/"

        def many():
            for i in range(10):
                os.mkdir("%sm%d" % (s, i))
        t.expect(errno.EDQUOT, t.run_as, t.A, t.A, many)
        t.eq(len([n for n in t.rest_snapshots(sim=sim.dir) if n.startswith("m")]), 3, "made before the limit")
        t.expect(errno.EDQUOT, t.run_as, t.A, t.A, os.setxattr, s + "m0", "ontap.snapshot.comment", b"x")
        t.expect(errno.EDQUOT, t.run_as, t.A, t.A, os.setxattr, s + "m0", "ontap.snapshot.label", b"x")
        t.run_as(t.B, t.B, os.mkdir, s + "other-user")
