#!/usr/bin/env python3
"""allow=volume.create: mkdir at the root makes a volume by the backend's defaults, a FlexGroup with ontap-nas-flexgroup; EPERM by default."""
# needs: own-mount
# cells: mkdir/root readdir/root
import errno
import json
import os
import ontapfs_test as t

ALLOW = "allow=snapshot.create+clone.create+volume.create"


def backend(sim, name, **keys):
    with open(sim.backend, encoding="utf-8") as f:
        conf = json.load(f)
    conf.update(keys)
    path = "%s/%s.json" % (t.WORK, name)
    t.write(path, json.dumps(conf), mode=0o600)
    return path


with t.own_sim() as sim:
    t.rest("POST", "/protocols/nfs/export-policies", {"name": "team", "svm": {"name": "svm1"}, "rules": [
        {"clients": [{"match": "127.0.0.0/8"}], "ro_rule": ["any"], "rw_rule": ["any"], "superuser": ["any"]}]}, sim.dir)
    flexvol = backend(sim, "flexvol", defaults={
        "size": "1Gi", "exportPolicy": "team", "snapshotPolicy": "none", "unixPermissions": "0750", "snapshotDir": "true"})
    group = backend(sim, "group", storageDriverName="ontap-nas-flexgroup", defaults={"size": "800Gi", "snapshotDir": "true"})
    with t.Gateway(sim.backend, t.WORK + "/m0") as gw:
        t.expect(errno.EPERM, os.mkdir, gw.mnt + "/new")
        t.expect(errno.EPERM, t.run_as, t.A, t.A, os.mkdir, gw.mnt + "/new")
    with t.Gateway(flexvol, t.WORK + "/m1", ALLOW, "audit_log=" + t.WORK + "/audit") as gw:
        t.run_as(t.A, t.TEAM, os.mkdir, gw.mnt + "/new")
        v = t.rest_volume("new", sim.dir)
        t.eq((v["style"], v["size"], v["nas"]["path"], v["nas"]["export_policy"]["name"], v["snapshot_policy"]["name"]),
             ("flexvol", 1 << 30, "/new", "team", "none"), "the new volume")
        t.ok("new" in os.listdir(gw.mnt), "listed")
        st = os.stat(gw.mnt + "/new")
        t.eq((st.st_uid, st.st_gid, st.st_mode & 0o7777), (t.A, t.TEAM, 0o750), "owner and mode of its root")
        t.run_as(t.A, t.TEAM, t.write, gw.mnt + "/new/f", "bytes")
        t.expect(errno.EACCES, t.run_as, t.B, t.B, os.listdir, gw.mnt + "/new")
        t.run_as(t.A, t.TEAM, os.mkdir, gw.mnt + "/new/.snapshots/s")
        t.eq(t.run_as(t.A, t.TEAM, t.read, gw.mnt + "/new/.snapshots/s/f"), b"bytes", "its snapshot")
        t.eq(os.getxattr(gw.mnt + "/new", "ontap.kind"), b"volume", "ontap.kind")
        rec = t.audit_records(t.WORK + "/audit")[0]
        t.eq((rec["verb"], rec["name"], rec["uid"], rec["result"], rec["object"]), ("volume.create", "new", t.A, "ok", v["uuid"]), "audit record")
        t.ok(rec["request"] in v["comment"], "comment %r names the request" % v["comment"])
        t.expect(errno.EEXIST, os.mkdir, gw.mnt + "/project1")
        t.expect(errno.EEXIST, os.mkdir, gw.mnt + "/svm1_root")
        t.expect(errno.EINVAL, os.mkdir, gw.mnt + "/with-dash")
        with open(sim.dir + "/log/rest.log", encoding="utf-8") as f:
            t.eq([x for x in f if "/00000000-0000-" in x], [], "questions about a volume that is none")
        t.expect(errno.EPERM, os.rmdir, gw.mnt + "/new")
        t.ok(t.rest_volume("new", sim.dir), "it stays")
    with t.Gateway(flexvol, t.WORK + "/m2", "allow=volume.create:gid=%d" % t.TEAM) as gw:
        t.expect(errno.EACCES, os.mkdir, gw.mnt + "/new2")
        t.run_as(t.B, t.B, os.mkdir, gw.mnt + "/new2", groups=(t.TEAM,))
    with t.Gateway(group, t.WORK + "/m3", ALLOW) as gw:
        os.mkdir(gw.mnt + "/wide")
        v = t.rest_volume("wide", sim.dir)
        t.eq((v["style"], v["nas"]["path"], v["size"]), ("flexgroup", "/wide", 800 << 30), "the new FlexGroup")
        t.write(gw.mnt + "/wide/f", "bytes")
        os.mkdir(gw.mnt + "/wide/.snapshots/s")
        t.eq(t.read(gw.mnt + "/wide/.snapshots/s/f"), b"bytes", "its snapshot")
        os.symlink("wide@s", gw.mnt + "/wide_clone")
        t.eq(t.read(gw.mnt + "/wide_clone/f"), b"bytes", "its clone")
