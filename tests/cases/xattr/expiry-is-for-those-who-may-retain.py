#!/usr/bin/env python3
"""ontap.snapshot.expiry is written with allow=snapshot.retain only, by creator or admin; it is in REST and shown to all; each attempt is recorded."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

AUDIT = t.WORK + "/audit"
WHEN = b"2031-02-03T04:05:06Z"

with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/m0") as gw:
        os.mkdir(gw.mnt + "/project1/.snapshots/s")
        t.expect(errno.EACCES, os.setxattr, gw.mnt + "/project1/.snapshots/s", "ontap.snapshot.expiry", WHEN)
        t.ok("snapshot.retain" in t.last_error(gw.mnt), t.last_error(gw.mnt))
    with t.Gateway(sim.backend, t.WORK + "/m1", "allow=snapshot.create+snapshot.retain", "audit_log=" + AUDIT) as gw:
        os.chmod(gw.mnt + "/project1", 0o777)
        p = gw.mnt + "/project1/.snapshots/a"
        t.run_as(t.A, t.A, os.mkdir, p)
        t.expect(errno.EPERM, t.run_as, t.B, t.B, os.setxattr, p, "ontap.snapshot.expiry", WHEN)
        for bad in (b"", b"tomorrow", b'2031-02-03"', b"2031-99-99T99:99:99Z"):
            t.expect(errno.EINVAL, os.setxattr, p, "ontap.snapshot.expiry", bad)
        t.run_as(t.A, t.A, os.setxattr, p, "ontap.snapshot.expiry", WHEN)
        t.eq(t.run_as(t.B, t.B, os.getxattr, p, "ontap.snapshot.expiry"), WHEN, "as shown")
        rec = t.rest("GET", "/storage/volumes/%s/snapshots?name=a&fields=expiry_time" % t.volume_uuid("project1", sim.dir),
                     sim=sim.dir)[1]["records"][0]
        t.ok(rec["expiry_time"].startswith("2031-02-03T04:05:06"), "in REST: %r" % rec)
        t.run_as(t.A, t.A, os.setxattr, p, "ontap.snapshot.comment", b"kept")
        got = [(r["verb"], r["uid"], r["name"], r["volume"], r["result"]) for r in t.audit_records(AUDIT)[1:]]
        t.eq(got, [("snapshot.retain", t.B, "a", "project1", "EPERM")] + 4 * [("snapshot.retain", 0, "a", "project1", "EINVAL")] +
             [("snapshot.retain", t.A, "a", "project1", "ok"), ("snapshot.set", t.A, "a", "project1", "ok")], "audit records")
