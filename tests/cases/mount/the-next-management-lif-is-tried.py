#!/usr/bin/env python3
"""The first management LIF is dead: mounting and verbs go by the second."""
# needs: own-mount
import json
import os
import ontapfs_test as t

with t.own_sim() as sim:
    with open(sim.backend, encoding="utf-8") as f:
        config = json.load(f)
    alive = config["managementLIF"]
    # Nobody listens at that address of this host: refused.
    config["managementLIF"] = ["127.9.9.9", alive]
    two = t.WORK + "/two.json"
    with open(two, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        json.dump(config, f)
    with t.Gateway(two, t.WORK + "/mnt") as gw:
        os.mkdir(gw.mnt + "/project1/.snapshots/one")
        os.mkdir(gw.mnt + "/project1/.snapshots/two")
        t.eq(sorted(os.listdir(gw.mnt + "/project1/.snapshots")), ["one", "two"], "snapshots")
        said = t.tail(gw.log).count("going on with")
        t.eq(said, 1, "how often it looked for another one")
