#!/usr/bin/env python3
"""The daemon is killed while ONTAP deletes a clone: the command succeeds when, and only when, the clone is gone; one record."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: takeover rmdir/clonedir
import os
import signal
import subprocess
import ontapfs_test as t

AUDIT = t.WORK + "/audit"


def deleting(sim):
    """Whether ONTAP has the second job, and has not done it yet."""
    jobs = t.rest("GET", "/cluster/jobs?state=queued|running&fields=description", sim=sim.dir)[1]["records"]
    return any(j["description"].startswith("DELETE /api/storage/volumes/") for j in jobs)


def killed_at_once(_sim, gw):
    t.wait_for(lambda: t.read(gw.mnt + "/.ontap/jobs"), "the verb", 5)
    gw.replace_daemon()


def back_when_it_is_gone(sim, gw):
    """Nothing tells the successor of the clone but what its predecessor had noted."""
    t.wait_for(lambda: deleting(sim), "the second job", 10)
    holder = gw.process("ontapfs-hold")
    os.kill(holder, signal.SIGSTOP)
    os.kill(gw.process(), signal.SIGKILL)
    t.wait_for(lambda: not t.rest_volume("x", sim.dir), "the end of the clone", 10)
    os.kill(holder, signal.SIGCONT)


with t.own_mount("audit_log=" + AUDIT) as (sim, gw):
    # Deleting takes two jobs: one unmounts, one deletes.
    for n, kill in enumerate((killed_at_once, back_when_it_is_gone)):
        os.mkdir(gw.mnt + "/project1/.clones/x")
        t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "700")
        with subprocess.Popen(["rmdir", "project1/.clones/x"], cwd=gw.mnt, stdin=subprocess.DEVNULL) as p:
            kill(sim, gw)
            t.eq(p.wait(30), 0, "rmdir")
        t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "0")
        v = t.rest_volume("x", sim.dir)
        t.ok(not v, "rmdir succeeded, and the clone is there: %s, junction %s" % (v and v["state"], v and v["nas"].get("path")))
        recs = [r for r in t.audit_records(AUDIT) if r["verb"] == "clone.delete"]
        t.eq([r["result"] for r in recs], ["ok"] * (n + 1), "audit records")
        t.eq(os.listdir(gw.mnt + "/project1/.clones"), [], "clones")
