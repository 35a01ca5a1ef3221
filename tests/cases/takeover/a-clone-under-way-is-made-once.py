#!/usr/bin/env python3
"""The daemon is killed while ONTAP makes clones and volumes: the commands succeed, each is made once and recorded once."""
# needs: own-mount
# cells: takeover mkdir/root symlink/root symlink/clonedir mkdir/clonedir
# log-ok: killed by signal 9|died of signal 9
# time-limit: 120
import os
import subprocess
import ontapfs_test as t

AUDIT = t.WORK + "/audit"
ALLOW = "allow=snapshot.create+snapshot.delete+clone.create+clone.delete+volume.create"


def begin(gw, *cmd):
    t.read(gw.mnt + "/.ontap/jobs")  # known from here on: a verb at the root holds the root's lock
    p = subprocess.Popen(cmd, cwd=gw.mnt, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    t.wait_for(lambda: t.read(gw.mnt + "/.ontap/jobs"), "the verb of %s" % " ".join(cmd), 5)
    return p


def finished(p):
    out, err = p.communicate(timeout=30)
    t.eq((p.returncode, out + err), (0, ""), " ".join(p.args))


with t.own_mount(ALLOW, "audit_log=" + AUDIT) as (sim, gw):
    t.write(gw.mnt + "/project1/f", "base")
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "700")
    for name, cmd in (("at_root", ("ln", "-s", "project1/.snapshots/s", "at_root")),
                      ("in_clones", ("ln", "-s", "../.snapshots/s", "project1/.clones/in_clones")),
                      ("of_now", ("mkdir", "project1/.clones/of_now")), ("volume", ("mkdir", "volume"))):
        p = begin(gw, *cmd)
        gw.replace_daemon()
        finished(p)
        v = t.rest_volume(name, sim.dir)
        t.ok(v, name + " is there")
        if name != "volume":
            t.eq(t.read("%s/%s/f" % (gw.mnt, name)), b"base", "bytes of " + name)
        recs = [r for r in t.audit_records(AUDIT) if r["name"] == name]
        t.eq([(r["result"], r.get("object")) for r in recs], [("ok", v["uuid"])], "audit records of " + name)
        t.ok(recs[0]["request"] in v["comment"], "request of %s in %r" % (name, v["comment"]))
    t.eq(len([s for s in t.rest_snapshots(sim=sim.dir) if s.startswith("clone_of_now")]), 1, "bases made for the clone of now")
