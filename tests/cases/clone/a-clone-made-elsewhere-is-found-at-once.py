#!/usr/bin/env python3
"""A clone that this mount has not listed yet is found by its name in .clones: made by another host, or before a killed daemon's mount."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
import errno
import os
import ontapfs_test as t

with t.own_mount("catalog_refresh=300") as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/f", "base")
    os.mkdir(v + "/.snapshots/s")
    t.expect(errno.ENOENT, os.stat, v + "/.clones/theirs")
    t.rest_clone_create("theirs", "s", sim=sim.dir)
    t.eq(t.read(v + "/.clones/theirs/f"), b"base", "a clone made elsewhere")
    for n in range(3):
        gw.down()
        gw.up()
        gw.replace_daemon()
        t.eq(t.read(v + "/.clones/theirs/f"), b"base", "a clone that the killed daemon had not looked at")
    t.expect(errno.ENOENT, os.stat, v + "/.clones/none")
