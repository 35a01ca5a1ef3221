#!/usr/bin/env python3
"""mtime of .snapshots is the time of its newest change: after mkdir, mv and rmdir here, and after changes made elsewhere; it has one link."""
# needs: own-mount
# cells: stat/snapdir
import os
import ontapfs_test as t




with t.own_mount("snapshot_refresh=0.5") as (sim, gw):
    d = gw.mnt + "/project1/.snapshots"

    def mtime():
        st = os.stat(d)
        t.eq((st.st_nlink, st.st_mtime_ns), (1, st.st_ctime_ns), "links, and ctime as mtime")
        return st.st_mtime_ns // 10 ** 9

    last = 0
    for i in range(2):
        os.mkdir(d + "/s%d" % i)
        now = mtime()  # nobody has listed the directory since
        t.eq(now, os.stat(d + "/s%d" % i).st_mtime_ns // 10 ** 9, "mtime after mkdir: that of the new snapshot")
        t.ok(now > last, "it moved")
        last = now
        t.pause(1.1)  # ONTAP's times are whole seconds
    os.rename(d + "/s0", d + "/r0")
    t.ok(mtime() > last, "mv moves it: %d, before %d" % (mtime(), last))
    last = mtime()
    t.pause(1.1)
    t.drop(d + "/r0")
    t.ok(mtime() > last, "rmdir moves it")
    last = mtime()
    t.pause(1.1)
    t.rest_snapshot_create("elsewhere", sim=sim.dir)
    t.wait_for(lambda: mtime() > last, "a snapshot made elsewhere to move it", 10)
    last = mtime()
    t.pause(1.1)
    t.rest_snapshot_delete("elsewhere", sim=sim.dir)
    t.wait_for(lambda: mtime() > last, "a snapshot deleted elsewhere to move it", 10)
