#!/usr/bin/env python3
"""Each snapshot and clone that was made here and that ONTAP has, leads to exactly one ok record; refusals are recorded, reading is not."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: audit
import collections
import errno
import os
import re
import stat
import ontapfs_test as t

AUDIT = t.WORK + "/audit"


def requests_in_rest(sim):
    """{request id: (name, uuid)} of all that carries our mark."""
    out = {}
    for v in t.rest("GET", "/storage/volumes?is_svm_root=false&fields=name,comment,uuid", sim=sim.dir)[1]["records"]:
        objects = [dict(v)]
        if v["name"] == "project1":  # clones inherit snapshots with their comments
            objects += t.rest("GET", "/storage/volumes/%s/snapshots?fields=name,comment,uuid" % v["uuid"], sim=sim.dir)[1]["records"]
        for o in objects:
            m = re.search(r'"request":"([0-9a-f-]{36})"\}\}$', o.get("comment", ""))
            if m:
                out[m.group(1)] = (o["name"], o["uuid"])
    return out


with t.own_mount("audit_log=" + AUDIT) as (sim, gw):
    os.chdir(gw.mnt)
    s, c = "project1/.snapshots/", "project1/.clones/"
    for i in range(4):
        t.run_as(t.A, t.A, os.mkdir, s + "s%d" % i)
        t.run_as(t.A, t.A, os.symlink, "project1@s%d" % i, "a%d" % i)
        t.run_as(t.B, t.B, os.mkdir, c + "b%d" % i)
    # Refusals and deletions, in order.
    wrong = []
    t.run_as(t.A, t.A, os.mkdir, s + "after")
    for uid, want, verb, name, fn, args in (
            (t.B, errno.EPERM, "snapshot.delete", "after", os.rmdir, (s + "after",)),
            (t.B, errno.EPERM, "snapshot.rename", "after", os.rename, (s + "after", s + "x")),
            (t.B, errno.EPERM, "clone.delete", "a0", os.rmdir, (c + "a0",)),
            (t.A, errno.EBUSY, "snapshot.delete", "s0", os.rmdir, (s + "s0",)),
            (t.A, errno.EINVAL, "snapshot.create", "-x", os.mkdir, (s + "-x",)),
            (t.A, errno.EINVAL, "clone.create", "1x", os.mkdir, (c + "1x",)),
            (t.A, errno.ENOENT, "clone.create", "x", os.symlink, ("project1@nosuch", "x")),
            (t.A, errno.EPERM, "clone.create", "x", os.symlink, ("project1", "x")),
            (t.A, errno.EPERM, "clone.create", "x", os.symlink, ("imagenet@s0", c + "x")),
            (t.A, 0, "snapshot.rename", "after", os.rename, (s + "after", s + "later")),
            (t.A, 0, "snapshot.delete", "later", os.rmdir, (s + "later",)),
            (t.A, 0, "clone.delete", "a0", os.rmdir, (c + "a0",))):
        before = len(t.audit_records(AUDIT))
        got = t.errno_of(t.run_as, uid, uid, fn, *args)
        t.eq(t.name_of(got), t.name_of(want), "%s %r" % (fn.__name__, args))
        new = t.audit_records(AUDIT)[before:]
        new = [(r["uid"], r["verb"], r["name"], r["result"]) for r in new]
        if new != [(uid, verb, name, "ok" if not want else t.name_of(want))]:
            wrong.append("%s%r is %s, recorded as %r" % (fn.__name__, args, t.name_of(want), new))
    gw.replace_daemon()
    t.run_as(t.A, t.A, os.mkdir, s + "last")
    want = {"s0", "s1", "s2", "s3", "last", "a1", "a2", "a3", "b0", "b1", "b2", "b3"}
    recs = t.audit_records(AUDIT)
    made = requests_in_rest(sim)
    t.eq(sorted(n for n, _ in made.values()), sorted(want), "what ONTAP has of ours")
    count = collections.Counter(r.get("request") for r in recs if r["result"] == "ok")
    for request, (name, uuid) in made.items():
        t.eq(count[request], 1, "ok records of %s" % name)
        rec = [r for r in recs if r.get("request") == request][0]
        t.eq((rec["name"], rec["object"], rec["uid"]), (name, uuid, t.B if name[0] == "b" else t.A), "record of " + name)
    for r in recs:
        t.ok(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r["time"]) and r["host"] and r["comm"], "record %r" % r)
    before = len(t.audit_records(AUDIT))
    t.run("ls", "-R", ".", "project1/.snapshots", "project1/.clones")
    os.stat("a1/.snapshots")
    t.eq(len(t.audit_records(AUDIT)), before, "records after mere reading")
    t.eq(stat.S_IMODE(os.stat(AUDIT).st_mode), 0o640, "mode of the audit log")
    os.chdir("/")
    t.eq(wrong, [], "verbs without their record")
