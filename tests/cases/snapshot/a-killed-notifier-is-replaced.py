#!/usr/bin/env python3
"""The process that tells the kernel what to forget is killed: it is made again, and what is deleted elsewhere still goes."""
# needs: own-mount
# log-ok: the notifier process has died
import os
import signal
import ontapfs_test as t


def dead(pid):
    try:
        return t.read("/proc/%d/stat" % pid).rpartition(b")")[2].split()[0] in b"ZX"
    except OSError:
        return True


with t.own_mount("snapshot_refresh=1") as (sim, gw):
    vol = gw.mnt + "/project1"
    t.write(vol + "/f", "x")
    daemon = gw.process()
    for i in range(2):
        s = vol + "/.snapshots/s%d" % i
        os.mkdir(s)
        os.stat(s + "/f")
        old = gw.process("ontapfs-notify")
        t.ok(old, "a notifier")
        os.kill(old, signal.SIGKILL)
        # What is put into the pipe before it is dead is lost with it.
        t.wait_for(lambda p=old: dead(p), "it is dead", 30)
        t.rest_snapshot_delete("s%d" % i, sim=sim.dir)
        t.wait_for(lambda p=s: not os.path.exists(p), "it leaves the lookups", 6)
        t.wait_for(lambda n="s%d" % i: n not in os.listdir(vol + "/.snapshots"), "it leaves the listing", 6)
        t.wait_for(lambda o=old: gw.process("ontapfs-notify") not in (None, o), "another notifier", 30)
    t.eq(gw.process(), daemon, "the daemon stays")
