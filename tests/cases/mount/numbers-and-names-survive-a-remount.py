#!/usr/bin/env python3
"""st_ino, snapshots and links are the same after umount and mount, and on another mount."""
# needs: own-mount
import os
import ontapfs_test as t

with t.own_sim() as sim:
    seen = []
    for name in ("m1", "m1", "m2"):
        with t.Gateway(sim.backend, t.WORK + "/" + name) as g:
            vol = g.mnt + "/project1"
            if not seen:
                os.mkdir(vol + "/d")
                t.write(vol + "/d/f", "x")
                os.mkdir(vol + "/.snapshots/s")
            seen.append([os.lstat(p).st_ino for p in (vol, vol + "/d", vol + "/d/f", vol + "/.snapshots/s",
                                                      vol + "/.snapshots/s/d/f", vol + "/.snapshots")]
                        + [os.readlink(g.mnt + "/project1@s")])
    t.eq(seen[1], seen[0], "the same place again")
    t.eq(seen[2], seen[0], "another place")
