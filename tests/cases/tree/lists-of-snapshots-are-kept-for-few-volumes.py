#!/usr/bin/env python3
"""Who walks through many volumes does not fill the daemon with their lists of snapshots: the oldest are forgotten."""
# needs: own-mount
# not-on: ganesha (it does not serve synthetic volumes)
import os
import ontapfs_test as t
import scale

VOLUMES, SNAPSHOTS = 40, 1023     # more than the 32,768 snapshots that are kept


def lists(rest, number):
    """How often the list of that volume was asked for since the last call."""
    return sum("-8000-%012x/snapshots" % number in uri for _, uri in rest.new())


with t.own_sim("--synthetic-volumes", VOLUMES, "--synthetic-snapshots", SNAPSHOTS) as sim:
    rest = scale.Recorder(sim)
    # Nothing gets old meanwhile, so that only what was forgotten is asked for again.
    with t.Gateway(sim.backend, t.WORK + "/mnt", "snapshot_refresh=600") as gw:
        for i in range(1, VOLUMES + 1):
            rest.new()
            t.eq(len(os.listdir("%s/synth%05d/.snapshots" % (gw.mnt, i))), SNAPSHOTS, "snapshots of volume %d" % i)
            t.eq(lists(rest, i), 1, "requests for volume %d" % i)
        for i, asked in ((VOLUMES, 0), (VOLUMES - 20, 0), (1, 1)):
            t.eq(len(os.listdir("%s/synth%05d/.snapshots" % (gw.mnt, i))), SNAPSHOTS, "snapshots of volume %d again" % i)
            t.eq(lists(rest, i), asked, "requests for volume %d again" % i)
