#!/usr/bin/env python3
"""The daemon is killed while ONTAP deletes a clone: the command succeeds when, and only when, the clone is gone; one record."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: takeover rmdir/clonedir
import os
import subprocess
import ontapfs_test as t

AUDIT = t.WORK + "/audit"

with t.own_mount("audit_log=" + AUDIT) as (sim, gw):
    os.mkdir(gw.mnt + "/project1/.clones/x")
    # Deleting takes two jobs: one unmounts, one deletes.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "700")
    with subprocess.Popen(["rmdir", "project1/.clones/x"], cwd=gw.mnt, stdin=subprocess.DEVNULL) as p:
        t.wait_for(lambda: t.read(gw.mnt + "/.ontap/jobs"), "the verb", 5)
        gw.replace_daemon()
        t.eq(p.wait(30), 0, "rmdir")
    v = t.rest_volume("x", sim.dir)
    t.ok(not v, "rmdir succeeded, and the clone is there: %s, junction %s" % (v and v["state"], v and v["nas"].get("path")))
    recs = [r for r in t.audit_records(AUDIT) if r["verb"] == "clone.delete"]
    t.eq([r["result"] for r in recs], ["ok"], "audit records")
    t.eq(os.listdir(gw.mnt + "/project1/.clones"), [], "clones")
