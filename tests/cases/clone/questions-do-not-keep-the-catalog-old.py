#!/usr/bin/env python3
"""Many ask how far the split of a clone is: the list of volumes is refreshed all the same."""
# needs: own-mount
import os
import threading
import ontapfs_test as t

with t.own_mount("catalog_refresh=1") as (sim, gw):
    os.mkdir(gw.mnt + "/project1/.snapshots/base")
    os.mkdir(gw.mnt + "/project1/.clones/exp")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "GET", "delay", "400")
    end = threading.Event()

    def ask():
        while not end.is_set():
            os.getxattr(gw.mnt + "/project1/.clones/exp", "ontap.clone.split")
    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for n in threads:
        n.start()
        t.pause(0.1)
    try:
        t.rest_clone_create("elsewhere", "base", sim=sim.dir)
        t.wait_for(lambda: "elsewhere" in os.listdir(gw.mnt), "a clone made elsewhere to be listed", 15)
    finally:
        end.set()
        for n in threads:
            n.join()
