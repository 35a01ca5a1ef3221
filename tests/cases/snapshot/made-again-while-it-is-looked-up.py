#!/usr/bin/env python3
"""A snapshot is deleted and made again between REST's answer and NFS's: the name gets the new one's uuid with the new one's bytes."""
# needs: own-mount
import os
import threading
import nfs_gate
import ontapfs_test as t

with t.own_sim() as sim:
    gate = nfs_gate.Gate(sim)
    with t.Gateway(gate.backend, t.WORK + "/mnt") as gw:
        behind = sim.path()
        t.write(behind + "/f", "old")
        t.rest_snapshot_create("a", sim=sim.dir)
        # Walking through the volume would ask the server, too.
        snaps = os.open(gw.mnt + "/project1/.snapshots", os.O_RDONLY | os.O_DIRECTORY)
        gate.hold("LOOKUP")
        looker = threading.Thread(target=os.stat, args=("a",), kwargs={"dir_fd": snaps})
        looker.start()
        gate.wait_held()
        old = t.rest_snapshots(sim=sim.dir)["a"]
        t.rest_snapshot_delete("a", sim=sim.dir)
        t.write(behind + "/f", "new")
        t.rest_snapshot_create("a", sim=sim.dir)
        new = t.rest_snapshots(sim=sim.dir)["a"]
        t.ok(old != new, "another uuid")
        gate.release()
        looker.join(30)
        os.close(snaps)
        a = gw.mnt + "/project1/.snapshots/a"
        t.eq(os.getxattr(a, "ontap.snapshot.uuid").decode(), new, "uuid that the name shows")
        t.eq(t.read(a + "/f"), b"new", "its bytes")
