#!/usr/bin/env python3
"""An export rule shuts this host out in use: EACCES at once for everything, a line in the log; what was open goes on when it ends. A mount then is refused in words."""
# needs: own-mount
# not-on: ganesha (it says something else to one who is shut out)
import os
import export
import ontapfs_test as t

with t.own_mount("attr_timeout=0") as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/f", "x" * 100000)
    held = os.open(v + "/f", os.O_RDWR | os.O_DIRECT)
    export.rule(sim, clients=[{"match": "10.0.0.0/8"}])
    t.eq(set(export.everything(v, held).values()), {"EACCES"}, "what all operations say")
    t.ok("no export rule lets this host in" in t.read(gw.log).decode(), "the log tells it")
    t.ok("project1" in os.listdir(gw.mnt), "the root lists it all the same")
    t.eq(t.errno_of(os.mkdir, v + "/.snapshots/s"), 13, "no snapshot by one who is shut out")
    other = t.Gateway(sim.backend, t.WORK + "/other")
    if other.try_up() == 0:
        other.down()
        t.fail("mounted")
    t.ok("export" in other.said, "why a mount is refused: " + other.said)
    export.rule(sim, clients=[{"match": "127.0.0.0/8"}])
    t.eq(set(export.everything(v, held).values()), {"success"}, "afterwards")
    os.close(held)
