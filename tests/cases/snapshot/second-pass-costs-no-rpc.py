#!/usr/bin/env python3
"""Names, attributes, pages, directories and misses of a snapshot are cached without end: a second epoch asks the server nothing."""
# needs: own-mount
# cells: readdir/snapshot
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    store = sim.path("project1")
    for d in range(10):
        os.mkdir("%s/d%d" % (store, d))
        for i in range(30):
            t.write("%s/d%d/f%d" % (store, d, i), os.urandom(5000))
        os.symlink("f0", "%s/d%d/link" % (store, d))
    p = gw.mnt + "/project1/.snapshots/run1"
    os.mkdir(p)
    os.chdir(p)  # the live directories above are asked about again after attr_timeout

    def epoch():
        total = 0
        for root, dirs, files in os.walk("."):
            for n in files:
                os.stat(os.path.join(root, n))
                total += len(t.read(os.path.join(root, n)))
        for d in range(10):
            t.expect(errno.ENOENT, os.stat, "d%d/missing" % d)
        return total
    first = epoch()
    t.eq(first, 10 * (30 * 5000 + 5000), "bytes read")
    before = t.stats(gw.mnt)
    t.eq(epoch(), first, "bytes of the second pass")
    after = t.stats(gw.mnt)
    spent = {k: after[k] - before.get(k, 0) for k in after
             if k.startswith("ontapfs_nfs_calls_total") and after[k] != before.get(k, 0)}
    t.eq(spent, {}, "NFS calls of the second pass")
    t.ok(t.counter(before, "ontapfs_nfs_calls_total", proc="READ") >= 300, "the first pass did read")
    os.chdir("/")
