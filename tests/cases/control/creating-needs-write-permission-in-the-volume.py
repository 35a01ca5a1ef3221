#!/usr/bin/env python3
"""Who may not write in the volume's root may not take a snapshot of it: EACCES."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    vol = gw.mnt + "/project1"
    t.run_as(t.A, t.A, os.mkdir, vol + "/.snapshots/a1")
    os.chmod(vol, 0o755)
    t.expect(errno.EACCES, t.run_as, t.A, t.A, os.mkdir, vol + "/.snapshots/a2")
    os.chown(vol, t.A, t.TEAM)

    def made(user, name, groups=()):
        # Owner and mode of .snapshots may be cached for attr_timeout.
        return t.errno_of(t.run_as, user, user, os.mkdir, vol + "/.snapshots/" + name, groups=groups) == 0
    t.wait_for(lambda: made(t.A, "a3"), "a snapshot by the owner", 5)
    t.expect(errno.EACCES, t.run_as, t.B, t.B, os.mkdir, vol + "/.snapshots/b1")
    os.chmod(vol, 0o775)
    t.wait_for(lambda: made(t.B, "b2", (t.TEAM,)), "a snapshot by group right", 5)
    t.eq({n for n in t.rest_snapshots(sim=sim.dir) if n[1:].isdigit() and n[0] in "ab"}, {"a1", "a3", "b2"}, "made")
