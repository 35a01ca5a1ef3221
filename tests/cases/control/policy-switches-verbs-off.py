#!/usr/bin/env python3
"""allow= without a verb: that verb is EACCES and last_error says so; the others go on. A verb may be one group's."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/mnt", "allow=snapshot.create") as gw:
        s = gw.mnt + "/project1/.snapshots/"
        os.mkdir(s + "a")
        t.expect(errno.EACCES, t.run_as, 0, 0, os.rmdir, s + "a")
        t.expect(errno.EACCES, os.rename, s + "a", s + "b")
        t.ok("snapshot.rename" in t.last_error(gw.mnt + "/project1"), "last_error names the verb")
        t.eq(os.stat(gw.mnt).st_mode & 0o7777, 0o755, "mode of a root where nobody may make anything")
        t.ok("a" in t.rest_snapshots(sim=sim.dir), "the snapshot stays")
    with t.Gateway(sim.backend, t.WORK + "/mnt2", "allow=snapshot.create:gid=%d+snapshot.delete" % t.TEAM) as gw:
        s = gw.mnt + "/project1/.snapshots/"
        t.expect(errno.EACCES, t.run_as, t.A, t.A, os.mkdir, s + "b")
        t.ok(str(t.TEAM) in t.run_as(t.A, t.A, t.last_error, gw.mnt), "last_error names the group")
        t.run_as(t.A, t.A, os.mkdir, s + "b", groups=(t.TEAM,))
        t.run_as(t.A, t.A, os.rmdir, s + "b")
