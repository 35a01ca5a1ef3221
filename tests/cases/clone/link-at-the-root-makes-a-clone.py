#!/usr/bin/env python3
"""`ln -s VOLUME/.snapshots/SNAP NAME` at the root makes a FlexClone: a link at the root, a directory in .clones, the base's bytes."""
# needs: own-mount
# cells: symlink/root readdir/root readdir/clonedir stat/clonedir getxattr/clonedir
import os
import ontapfs_test as t

AUDIT = t.WORK + "/audit"

with t.own_sim() as sim:
    rules = [{"clients": [{"match": "127.0.0.0/8"}], "ro_rule": ["any"], "rw_rule": ["any"], "superuser": ["any"]}]
    t.rest("POST", "/protocols/nfs/export-policies", {"name": "team", "svm": {"name": "svm1"}, "rules": rules}, sim.dir)
    t.rest_job("PATCH", "/storage/volumes/" + t.volume_uuid("project1", sim.dir),
               {"nas": {"export_policy": {"name": "team"}}}, sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/mnt", "audit_log=" + AUDIT) as gw:
        os.chdir(gw.mnt)
        t.write("project1/f", "base")
        os.mkdir("project1/.snapshots/run1")
        t.write("project1/f", "later")
        t.run("ln", "-s", "project1/.snapshots/run1", "exp1")
        t.eq(os.readlink("exp1"), "project1/.clones/exp1", "the link")
        t.ok("exp1" in os.listdir("."), "the link is listed")
        t.eq(os.listdir("project1/.clones"), ["exp1"], "clones of project1")
        t.ok(not os.path.islink("project1/.clones/exp1"), "there it is a directory")
        t.eq(os.stat("project1/.clones").st_nlink, 1, "nlink of .clones")
        t.eq(t.read("exp1/f"), b"base", "bytes of the base")
        t.write("exp1/f", "mine")
        t.write("exp1/new", "mine, too")
        t.eq(t.read("project1/.clones/exp1/f"), b"mine", "by its place")
        t.eq(t.read("project1/f"), b"later", "the parent")
        t.eq(t.read("project1/.snapshots/run1/f"), b"base", "the snapshot")
        t.eq([os.listdir(d) for d in ("project1", "project1/.snapshots/run1")], [["f"], ["f"]], "names in both")
        for path, kind in (("exp1", b"clone"), ("exp1/f", b"file"), ("project1", b"volume"), ("project1/.clones", b"clonedir")):
            t.eq(os.getxattr(path, "ontap.kind"), kind, "ontap.kind of " + path)
        t.eq(os.getxattr("exp1/f", "ontap.volume.name"), b"exp1", "ontap.volume.name")

        v = t.rest_volume("exp1", sim.dir)
        t.ok(v["clone"]["is_flexclone"], "ONTAP calls it a FlexClone")
        t.eq((v["clone"]["parent_volume"]["name"], v["clone"]["parent_snapshot"]["name"]), ("project1", "run1"), "its base")
        t.eq(v["nas"]["path"], "/exp1", "junction")
        t.eq(v["nas"]["export_policy"]["name"], "team", "export policy, the parent's")
        made = [r for r in t.audit_records(AUDIT) if r["verb"] == "clone.create"]
        t.eq([(r["name"], r["result"], r["uid"], r["object"]) for r in made], [("exp1", "ok", 0, v["uuid"])], "audit records")
        t.ok(v["comment"].endswith('"request":"%s"}}' % made[0]["request"]), "comment %r names the request" % v["comment"])
        t.ok('"uid":0,' in v["comment"], "and the creator")
        os.chdir("/")
