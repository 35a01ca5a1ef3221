#!/usr/bin/env python3
"""An export becomes read-only in use: changes are EROFS, what is read goes on, the log says why, and all is well when it ends."""
# needs: own-mount
import errno
import os
import export
import ontapfs_test as t

with t.own_mount("attr_timeout=0") as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/f", "x" * 100000)
    held = os.open(v + "/f", os.O_RDWR | os.O_DIRECT)
    for _ in range(2):
        t.eq(set(export.everything(v, held).values()), {"success"}, "before and after")
        export.rule(sim, rw_rule=["never"])
        got = export.everything(v, held)
        for name, said in got.items():
            if name in export.READS or name == "rename":  # onto itself: nothing to do
                t.eq(said, "success", name)
            else:
                t.ok(said == "EROFS" or (name == "open to write" and said == "EACCES"), "%s: %s" % (name, said))
        t.expect((errno.EACCES, errno.EROFS), os.mkdir, v + "/.snapshots/s")
        t.ok("the server takes no changes" in t.read(gw.log).decode(), "the log tells it")
        export.rule(sim, rw_rule=["any"])
    t.eq(set(export.everything(v, held).values()), {"success"}, "at the end")
    os.mkdir(v + "/.snapshots/s")
    os.close(held)
