#!/usr/bin/env python3
"""allow=foreign:gid=N: members of that group, and nobody else, change snapshots that were not made through ontapfs."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

ALLOW = "allow=snapshot.create+snapshot.delete+snapshot.rename+foreign:gid=%d" % t.TEAM

with t.own_mount(ALLOW) as (sim, gw):
    os.chmod(gw.mnt + "/project1", 0o777)
    snaps = gw.mnt + "/project1/.snapshots/"
    for name in ("hourly.0", "hourly.1", "hourly.2"):
        t.rest_snapshot_create(name, sim=sim.dir)
    t.run_as(t.A, t.A, os.mkdir, snaps + "of-a")
    for uid, gid, groups in ((t.A, t.A, ()), (t.B, t.B, (t.TEAM + 1,)), (0, 0, ())):
        t.expect(errno.EPERM, t.run_as, uid, gid, os.rmdir, snaps + "hourly.0", groups=groups)
        t.expect(errno.EPERM, t.run_as, uid, gid, os.rename, snaps + "hourly.1", snaps + "x", groups=groups)
    t.eq(len(t.rest_snapshots(sim=sim.dir)), 4, "snapshots after all refusals")
    t.run_as(t.C, t.C, os.rmdir, snaps + "hourly.0", groups=(5, t.TEAM))
    t.run_as(t.B, t.TEAM, os.rmdir, snaps + "hourly.1")
    t.run_as(0, 0, os.rename, snaps + "hourly.2", snaps + "kept", groups=(t.TEAM,))
    # The group stands for what nobody owns, not for what a user made.
    t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rmdir, snaps + "of-a", groups=(t.TEAM,))
    t.eq(sorted(t.rest_snapshots(sim=sim.dir)), ["kept", "of-a"], "what is left")
