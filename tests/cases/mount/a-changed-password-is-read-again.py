#!/usr/bin/env python3
"""The password, or the server's certificate, changes in ONTAP and in the file: verbs work again, by themselves or by SIGHUP, without a remount."""
# needs: own-mount
import errno
import json
import os
import signal
import sqlite3
import ontapfs_test as t


def in_ontap(sim, password):
    with sqlite3.connect(os.path.join(sim.dir, "state.db"), timeout=10) as db:
        db.execute("UPDATE accounts SET password=? WHERE name='vsadmin'", (password,))


def in_file(path, value, key="password"):
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    config[key] = value
    with open(path + ".new", "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        json.dump(config, f)
    os.rename(path + ".new", path)


with t.own_sim() as sim, t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
    snaps = gw.mnt + "/project1/.snapshots/"
    pid = gw.process()
    os.mkdir(snaps + "before")

    in_ontap(sim, "second")
    t.expect(errno.EACCES, os.mkdir, snaps + "refused")
    in_file(sim.backend, "second")
    os.mkdir(snaps + "second")

    # The file first, as an administrator who is careful would do it.
    in_file(sim.backend, "third")
    in_ontap(sim, "third")
    os.kill(pid, signal.SIGHUP)
    os.mkdir(snaps + "third")
    t.eq(sorted(os.listdir(snaps)), ["before", "second", "third"], "snapshots")

    # The server has another certificate: nobody is told the password before it is pinned.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "cert", "renew")
    t.expect(errno.EACCES, os.mkdir, snaps + "stranger")
    in_file(sim.backend, t.read(sim.dir + "/cert.pem").decode(), "trustedCACertificate")
    os.mkdir(snaps + "pinned")

    # A file that cannot be read takes nothing away.
    with open(sim.backend, "w", encoding="utf-8") as f:
        f.write("{")
    os.kill(pid, signal.SIGHUP)
    t.wait_for(lambda: "cannot be read" in t.tail(gw.log), "the warning")
    os.mkdir(snaps + "fourth")
    t.eq(gw.process(), pid, "the daemon")
