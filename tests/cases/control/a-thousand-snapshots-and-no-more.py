#!/usr/bin/env python3
"""1,023 snapshots list whole, in pieces too, and by name; ONTAP's limit is EMLINK, with room after one is gone."""
# needs: own-mount
# time-limit: 180
import errno
import os
import ontapfs_test as t

LIMIT = 1023

with t.own_mount("snapshots_per_volume=%d" % LIMIT, "verbs_per_minute=100000") as (sim, gw):
    s = gw.mnt + "/project1/.snapshots/"
    have = len(t.rest_snapshots(sim=sim.dir))
    want = sorted("s%04d" % i for i in range(have, LIMIT))
    for n in want[:-2]:
        os.mkdir(s + n)
    for n in want[-2:]:
        t.rest_snapshot_create(n, sim=sim.dir)  # the last ones elsewhere
    for _ in range(2):
        t.expect(errno.EMLINK, os.mkdir, s + "one-too-many")
    t.ok(str(LIMIT) in t.last_error(s) or "limit" in t.last_error(s).lower(), "last_error: " + t.last_error(s))
    t.wait_for(lambda: sorted(n for n in os.listdir(s) if n.startswith("s")) == want, "all in the listing", 20)
    # Many READDIRs, and a rewind in the middle.
    seen = []
    with os.scandir(s) as it:
        for e in it:
            t.ok(e.is_dir(), e.name)
            seen.append(e.name)
            if len(seen) == 500:
                os.rmdir(s + want[0])  # never entered here
    t.eq(len(set(seen)), len(seen), "nothing twice")
    t.ok(set(want[1:]) <= set(seen), "nothing is left out while one goes")
    for n in (want[1], want[500], want[-1]):
        t.eq(sorted(os.listdir(s + n)), sorted(os.listdir(gw.mnt + "/project1")), "inside of " + n)
    t.eq(os.readlink(s + "@latest"), want[-1], "@latest")
    os.mkdir(s + "again")
    t.expect(errno.EMLINK, os.mkdir, s + "one-too-many")
    t.eq(len(t.rest_snapshots(sim=sim.dir)), LIMIT, "snapshots in ONTAP")
