#!/usr/bin/env python3
"""A verb that returned EINPROGRESS is recorded when it ends, waited for or not, once, with the request id in ONTAP's comment; a clone's record names its parent."""
# needs: own-mount
# cells: audit verb-wait
import errno
import os
import re
import ontapfs_test as t

AUDIT = t.WORK + "/audit"


def records(name):
    return [r for r in t.audit_records(AUDIT) if r["name"] == name]


with t.own_mount("verb_wait=0.2", "audit_log=" + AUDIT) as (sim, gw):
    os.chdir(gw.mnt)
    t.rest_snapshot_create("base", sim=sim.dir)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "900")
    for name, fn, args, joined in (("alone", os.mkdir, ("project1/.snapshots/alone",), False),
                                   ("joined", os.mkdir, ("project1/.snapshots/joined",), True),
                                   ("c1", os.symlink, ("project1@base", "c1"), False)):
        t.expect(errno.EINPROGRESS, fn, *args)
        if joined:
            while t.errno_of(fn, *args) == errno.EINPROGRESS:
                pass
        t.wait_for(lambda n=name: [r for r in records(n) if r["result"] == "ok"], "the record of " + name, 10)
        t.wait_for(lambda: not t.read(".ontap/jobs"), "the end of the job", 10)
        recs = records(name)
        t.eq([r["result"] for r in recs if r["result"] not in ("EINPROGRESS", "EEXIST")], ["ok"], "results of " + name)
        t.eq(recs[0]["result"], "EINPROGRESS", "the first record of " + name)
        if name == "c1":
            comment, uuid = t.rest_volume(name, sim.dir)["comment"], t.volume_uuid(name, sim.dir)
        else:
            v = t.volume_uuid("project1", sim.dir)
            rec = t.rest("GET", "/storage/volumes/%s/snapshots?name=%s&fields=comment,uuid" % (v, name), sim=sim.dir)[1]["records"][0]
            comment, uuid = rec["comment"], rec["uuid"]
        request = re.search(r'"request":"([0-9a-f-]{36})"\}\}$', comment).group(1)
        for r in recs:
            t.eq((r["request"], r["uid"], r["volume"]), (request, 0, "project1"), "record %r" % r)
        t.eq([r["object"] for r in recs if r["result"] == "ok"], [uuid], "object of " + name)
        t.ok(all(r["comm"] for r in recs), "the command")
    os.chdir("/")
