#!/usr/bin/env python3
"""Before a volume is deleted or restored ONTAP is asked anew: an older list of snapshots does not count, and an answer under way is no refusal."""
# needs: own-mount
# cells: rule-6.4 rule-6.6
# time-limit: 120
import os
import threading
import ontapfs_test as t


def ctl(*words):
    t.run(t.ONTAPSIM, "ctl", sim.dir, *words)


with t.own_mount("allow=snapshot.create+volume.create+volume.delete", "snapshot_refresh=300",
                 "catalog_refresh=300") as (sim, gw):
    v = gw.mnt + "/project1"
    t.eq(os.listdir(v + "/.snapshots"), [], "none, as far as the mount knows")
    t.rest_snapshot_create("precious", sim=sim.dir)
    os.setxattr(v, "ontap.arm", b"project1")
    ctl("role", "/api", "all")
    ctl("role", "/api/storage/volumes/*/snapshots", "none")
    t.ok(t.errno_of(os.rmdir, v), "a volume is deleted though its snapshots cannot be listed")
    print(t.last_error(gw.mnt))
    ctl("role", "clear")
    t.eq(list(t.rest_snapshots(sim=sim.dir)), ["precious"], "volume and snapshot")

with t.own_mount("snapshot_refresh=1", name="m2") as (sim, gw):
    v = gw.mnt + "/project1"
    os.mkdir(v + "/.snapshots/base")
    u = t.rest_snapshots(sim=sim.dir)["base"]
    ctl("fault", "rest", "GET", "delay", "500")
    end = threading.Event()

    def keep_asking():  # so that some list is nearly always under way
        while not end.is_set():
            os.listdir(v + "/.snapshots")
            t.pause(0.01)
    n = threading.Thread(target=keep_asking, daemon=True)
    n.start()
    try:
        for _ in range(4):
            t.pause(0.2)
            os.setxattr(v, "ontap.restore", ("lose=0 " + u).encode())
    finally:
        end.set()
        n.join()
