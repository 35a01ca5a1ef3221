#!/usr/bin/env python3
"""allow=snapdir.enable: entering a snapshot of a volume whose snapshot directory is off switches it on; without, EACCES; it is audited."""
# needs: own-mount
# cells: snapdir.enable
import errno
import os
import ontapfs_test as t

FIVE = "snapshot.create+snapshot.delete+snapshot.rename+clone.create+clone.delete"


def access(sim):
    uuid = t.volume_uuid("trident_pvc", sim.dir)
    return t.rest("GET", "/storage/volumes/%s?fields=snapshot_directory_access_enabled" % uuid,
                  sim=sim.dir)[1]["snapshot_directory_access_enabled"]


with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/m1") as gw:
        vol = gw.mnt + "/trident_pvc"
        t.write(vol + "/f", "frozen")
        os.mkdir(vol + "/.snapshots/s")
        t.expect(errno.EACCES, os.stat, vol + "/.snapshots/s/f")
        t.ok("snapdir-access" in t.last_error(vol), "last_error names the remedy")
        os.symlink("trident_pvc@s", gw.mnt + "/c")
        t.eq(t.read(gw.mnt + "/c/f"), b"frozen", "a clone works all the same")
        t.eq(access(sim), False, "snapshot directory access")
    with t.Gateway(sim.backend, t.WORK + "/m2", "allow=%s+snapdir.enable:gid=%d" % (FIVE, t.TEAM)) as gw:
        t.expect(errno.EACCES, t.run_as, t.A, t.A, os.stat, gw.mnt + "/trident_pvc/.snapshots/s/f")
        t.eq(access(sim), False, "snapshot directory access after another's look")
    audit = t.WORK + "/audit"
    with t.Gateway(sim.backend, t.WORK + "/m3", "allow=%s+snapdir.enable" % FIVE, "audit_log=" + audit) as gw:
        vol = gw.mnt + "/trident_pvc"
        t.eq(t.run_as(t.A, t.A, t.read, vol + "/.snapshots/s/f"), b"frozen", "bytes of the snapshot")
        t.eq(access(sim), True, "snapshot directory access")
        os.mkdir(vol + "/.snapshots/s2")
        t.eq(t.read(vol + "/.snapshots/s2/f"), b"frozen", "bytes of a new one")
        t.ok("trident_pvc" not in t.read(gw.mnt + "/.ontap/status").decode(), "status has no complaint")
        recs = [r for r in t.audit_records(audit) if r["verb"] == "snapdir.enable"]
        t.eq([(r["uid"], r["volume"], r["result"]) for r in recs], [(t.A, "trident_pvc", "ok")], "audit records of snapdir.enable")
