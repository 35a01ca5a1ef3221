#!/usr/bin/env python3
"""NFSv3 is switched off in use: EPROTONOSUPPORT at once, a line in the log, and another when it is on again; files stay open over it."""
# needs: own-mount
# not-on: ganesha (its protocols are fixed)
import os
import export
import ontapfs_test as t

with t.own_mount("attr_timeout=0") as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/f", "x" * 100000)
    os.mkdir(v + "/.snapshots/s")
    t.eq(len(t.read(v + "/.snapshots/s/f")), 100000, "a snapshot")
    held = os.open(v + "/f", os.O_RDWR | os.O_DIRECT)
    export.service(sim, protocol={"v3_enabled": False})
    t.eq(set(export.everything(v, held).values()), {"EPROTONOSUPPORT"}, "what all operations say")
    t.ok("the server does not offer NFSv3" in t.read(gw.log).decode(), "the log tells it")
    t.ok("project1" in os.listdir(gw.mnt), "the root lists it all the same")
    export.service(sim, protocol={"v3_enabled": True})
    t.eq(set(export.everything(v, held).values()), {"success"}, "afterwards")
    t.ok("takes our calls again" in t.read(gw.log).decode(), "the log tells that, too")
    os.close(held)
