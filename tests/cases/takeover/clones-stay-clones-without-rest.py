#!/usr/bin/env python3
"""The daemon is killed while REST hangs: its successor still shows clones as links at the root and directories in .clones, and the data flows."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: takeover
import os
import ontapfs_test as t

with t.own_mount("control_timeout=2") as (sim, gw):
    os.chdir(gw.mnt)
    t.write("project1/f", "base")
    os.mkdir("project1/.snapshots/s")
    os.symlink("project1/.snapshots/s", "exp1")
    os.mkdir("exp1/.clones/exp2")
    held = os.open("exp1/f", os.O_RDWR)
    t.eq(t.read("exp2/f"), b"base", "bytes of the clone's clone")

    def told(fn, *args):
        try:
            return fn(*args)
        except OSError as e:
            return t.name_of(e.errno)

    def picture():
        out = ["%s %s" % (n, told(os.readlink, n)) for n in sorted(os.listdir("."))]
        for d in ("project1/.clones", "project1/.clones/exp1/.clones"):
            out.append("%s holds %s" % (d, told(os.listdir, d)))
        for p in ("project1", "project1/.clones/exp1", "exp2"):
            out.append("%s is a %s" % (p, told(os.getxattr, p, "ontap.kind")))
        return out
    before = picture()
    with sim.silent("rest"):
        gw.replace_daemon()
        os.pwrite(held, b"mine", 0)
        after = picture()
        t.eq([x for x in after if x not in before], [], "what the successor shows otherwise (it was %r)" % before)
        t.eq(t.read("project1/.clones/exp1/f"), b"mine", "bytes through .clones")
        t.eq(t.read("exp1/f"), b"mine", "bytes through the link")
    os.close(held)
    t.eq(picture(), before, "the tree with REST")
    os.chdir("/")
