#!/usr/bin/env python3
"""A snapshot taken in the second of a clone's birth and deleted in the parent since is not the clone's own: the clone can be deleted."""
# needs: own-mount
# cells: rule-6.3-snapshots
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt + "/project1")

    def within_a_second(name):
        os.mkdir(".snapshots/" + name)
        os.mkdir(".clones/" + name)
        born = t.rest_volume(name, sim.dir)["create_time"]
        recs = t.rest("GET", "/storage/volumes/%s/snapshots?name=%s&fields=create_time" % (
            t.volume_uuid(name, sim.dir), name), sim=sim.dir)[1]["records"]
        return [r["create_time"] for r in recs] == [born]

    for i in range(10):
        if within_a_second("n%d" % i):
            break
    else:
        t.skip("this machine was too slow for two verbs in one second")
    t.drop(".snapshots/n%d" % i)
    t.run("rmdir", ".clones/n%d" % i)
    t.ok(not t.rest_volume("n%d" % i, sim.dir), "the clone is gone")
    os.chdir("/")
