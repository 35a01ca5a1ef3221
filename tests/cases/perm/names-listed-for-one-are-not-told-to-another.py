#!/usr/bin/env python3
"""What a listing of a snapshot brought is told to those whom the server lets look up there, and what was prefetched is read by no other."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    vol = gw.mnt + "/project1"
    os.mkdir(vol + "/d")
    for i in range(20):
        t.write("%s/d/f%d" % (vol, i), "of A %d" % i, mode=0o600)
        os.chown("%s/d/f%d" % (vol, i), t.A, t.A)
    os.chown(vol + "/d", t.A, t.A)
    os.chmod(vol + "/d", 0o700)
    os.mkdir(vol + "/.snapshots/s")
    for p in t.rest("GET", "/protocols/nfs/export-policies?fields=id", sim=sim.dir)[1]["records"]:
        rules = "/protocols/nfs/export-policies/%s/rules" % p["id"]
        for r in t.rest("GET", rules + "?fields=index", sim=sim.dir)[1]["records"]:
            t.rest("PATCH", "%s/%s" % (rules, r["index"]), {"superuser": ["none"]}, sim=sim.dir)
    d = vol + "/.snapshots/s/d"

    def refused():
        return t.errno_of(os.stat, d + "/no-such-file") == errno.EACCES
    t.wait_for(refused, "root to be refused by the server", 10)

    def count(name, **labels):
        return t.counter(t.stats(gw.mnt), name, **labels)
    for i in range(3):
        t.eq(t.run_as(t.A, t.A, t.read, "%s/f%d" % (d, i)), b"of A %d" % i, "A reads")
    t.wait_for(lambda: count("ontapfs_own_listings_total"), "the directory to be listed", 30)
    for i in range(10, 20):
        t.eq(t.run_as(t.A, t.A, os.stat, "%s/f%d" % (d, i)).st_size, 7, "size of another one")
    t.ok(count("ontapfs_lookup_kept_total"), "A is told of names from the listing")

    # The kernel lets root pass everywhere; only the server refuses it.
    t.expect(errno.EACCES, os.stat, d + "/f5")
    t.expect(errno.EACCES, t.read, d + "/f0")  # cached by the kernel, open to A
    t.expect(errno.EACCES, t.run_as, t.B, t.B, os.stat, d + "/f7")
    t.eq(t.run_as(t.A, t.A, t.read, d + "/f6"), b"of A 6", "A reads it all the same")
    t.expect(errno.EACCES, t.read, d + "/f6")
