#!/usr/bin/env python3
"""`ontapfs status` lists mounts as a table and as JSON, tells all about one, and exits 1 when one is not well."""
# needs: own-mount
# log-ok: killed by signal 9
import json
import os
import ontapfs_test as t


def mine(*args):
    p = t.run(t.ONTAPFS, "status", "--json", *args, check=False)
    return json.loads(p.stdout), p


with t.own_mount() as (sim, gw):
    rows = {m["mountpoint"]: m for m in mine()[0]["mounts"]}
    m = rows[gw.mnt]
    t.eq((m["state"], m["holder"], m["daemon"], m["restarts"], m["source"]),
         ("ready", gw.process("ontapfs-hold"), gw.process(), 0, sim.backend), "in the list")
    table = t.run(t.ONTAPFS, "status", check=False).stdout.splitlines()
    t.eq(table[0].split(), ["STATE", "HOLDER", "DAEMON", "RESTARTS", "MOUNTPOINT", "SOURCE"], "table")
    t.eq([r.split()[0] for r in table if gw.mnt in r.split()], ["ready"], "its row, not cut: %r" % table)
    one, p = mine(gw.mnt)
    t.eq((p.returncode, one["state"], one["status"]["svm"]), (0, "ready", t.backend(sim.dir)["svm"]), "one")
    text = t.run(t.ONTAPFS, "status", gw.mnt).stdout
    t.ok("ready" in text and "svm " in text, "one, for people: " + text)
    with sim.silent("rest"):
        t.eq(mine(gw.mnt)[1].returncode, 0, "without ONTAP it answers as well")
    gw.replace_daemon()
    t.wait_for(lambda: mine(gw.mnt)[0]["restarts"] == 1 and mine(gw.mnt)[0]["state"] == "ready", "the new daemon", 20)
    p = t.run(t.ONTAPFS, "status", t.WORK, check=False)
    t.ok(p.returncode == 1 and "lists the mounts" in p.stderr, "no mount: " + p.stderr)
os.chdir("/")
