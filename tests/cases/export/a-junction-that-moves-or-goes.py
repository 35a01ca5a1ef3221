#!/usr/bin/env python3
"""A volume's junction is moved in use: nothing changes, files stay open, the log tells it. It is unmounted: out of the tree with the reason, what is open goes on while the server lets it; mounted again, all is back."""
# needs: own-mount
# not-on: ganesha (an export whose junction moves goes and comes back: ESTALE)
import os
import export
import ontapfs_test as t


def log_says(gw, text):
    t.wait_for(lambda: text in t.read(gw.log).decode(), "the log to say: " + text, 30)


with t.own_mount("catalog_refresh=1", "attr_timeout=0") as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/f", "x" * 100000)
    os.mkdir(v + "/.snapshots/s")
    held = os.open(v + "/f", os.O_RDWR | os.O_DIRECT)
    ino = os.stat(v + "/f").st_ino
    export.junction(sim, "/elsewhere")
    log_says(gw, "volume project1 is mounted at /elsewhere in the SVM now, no longer at /project1")
    t.eq(set(export.everything(v, held).values()), {"success"}, "at its new junction")
    t.eq((os.stat(v + "/f").st_ino, len(t.read(v + "/.snapshots/s/f"))), (ino, 100000), "the same files")
    with t.Gateway(sim.backend, t.WORK + "/other") as other:
        t.eq(os.stat(other.mnt + "/project1/f").st_ino, ino, "a new mount finds it, too")
    os.mkdir(v + "/.snapshots/s2")
    export.junction(sim, "")
    log_says(gw, "volume project1 leaves the tree: it has no junction path")
    t.wait_for(lambda: "project1" not in os.listdir(gw.mnt), "it to leave the tree", 30)
    t.expect(2, os.stat, v + "/f")
    t.ok("project1: it has no junction path" in t.read(gw.mnt + "/.ontap/status").decode(), "the status tells it")
    t.eq(os.pwrite(held, b"y" * 4096, 0), 4096, "what is open")
    export.junction(sim, "/project1")
    log_says(gw, "volume project1 is in the tree again")
    t.wait_for(lambda: not t.errno_of(os.stat, v + "/f"), "it to come back", 30)
    t.eq(set(export.everything(v, held).values()), {"success"}, "mounted again")
    t.eq((os.stat(v + "/f").st_ino, t.read(v + "/f")[1:2]), (ino, b"y"), "the same file")
    os.close(held)
