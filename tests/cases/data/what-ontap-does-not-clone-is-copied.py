#!/usr/bin/env python3
"""When ONTAP refuses a file clone, or the server a hard link, or it shows another file under it, cp copies by data, ln is EXDEV, and nothing is left behind; without a licence not every copy asks again."""
# needs: own-mount
# cells: copy-clone/live link-clone/live
# not-on: ganesha (it is about REST)
# time-limit: 120
import errno
import os
import ontapfs_test as t

SIZE = 17 << 20
DATA = b"data" * (SIZE // 4) + b"tail"


def begun():
    return t.counter(t.stats(gw.mnt), "ontapfs_verbs_total", verb="file.clone") or 0


def nothing_left(what):
    t.eq(os.listdir(store + "/.ontapfs"), [], "private names: " + what)


def copied(what):
    t.run(*t.CP, v + "/big", v + "/copy")
    t.ok(t.read(v + "/copy") == DATA, "bytes: " + what)
    nothing_left("cp, " + what)
    os.unlink(v + "/copy")


def not_linked(what):
    t.expect(errno.EXDEV, os.link, v + "/.snapshots/s/big", v + "/linked")
    t.ok(not os.path.lexists(store + "/linked"), "a file is left: " + what)
    nothing_left("ln, " + what)


with t.proxied_mount() as (sim, gw, proxy):
    v, store = gw.mnt + "/project1", sim.path()
    t.write(v + "/big", DATA)
    os.mkdir(v + "/.snapshots/s")
    copied("a clone")
    t.eq(begun(), 1, "file clones at first")

    for status in ("PERM", "ROFS", "XDEV", "MLINK"):
        for skip in (0, 1):
            proxy.tell("on LINK call status %s skip %d count 1" % (status, skip))
            copied("LINK %d refused: %s" % (skip, status))
            proxy.tell("clear")
        proxy.tell("on LINK call status %s count 1" % status)
        not_linked("LINK refused: " + status)
    t.eq(begun(), 1, "file clones after refused links")

    # The third LOOKUP (after the new name's and .ontapfs) is that of the hard link.
    proxy.tell("on LOOKUP reply xor 10 255 skip 2 count 1")
    not_linked("another file's handle")
    t.eq((proxy.seen("hits"), begun()), (13, 1), "replies changed, file clones after a wrong handle")

    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "fail", "13565952", "2")
    copied("the job fails")
    not_linked("the job fails")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "POST", "status", "400")
    copied("REST refuses")
    not_linked("REST refuses")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
    before = begun()
    copied("a clone again")
    t.eq(begun(), before + 1, "file clones after the faults")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "license", "remove", "flexclone")
    for i in range(3):
        copied("no licence, %d" % i)
    not_linked("no licence")
    t.eq(begun(), before + 2, "file clones that were tried without a licence")
