#!/usr/bin/env python3
"""On a volume whose snapshot directory is off every verb works: make, rename, comment, arm, clone both ways, delete; only entering is EACCES."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt + "/trident_pvc")
    t.write("f", "frozen")
    os.mkdir(".snapshots/a")
    t.write("f", "later")
    os.rename(".snapshots/a", ".snapshots/b")
    t.eq(os.listdir(".snapshots"), ["b"], "snapshots")
    t.eq(os.readlink(".snapshots/@latest"), "b", "@latest")
    for path in (".snapshots/b/f", ".snapshots/b/"):
        t.expect(errno.EACCES, os.listdir if path.endswith("/") else os.stat, path)
    os.setxattr(".snapshots/b", "ontap.snapshot.comment", b"note")
    t.eq(os.getxattr(".snapshots/b", "ontap.snapshot.comment"), b"note", "comment")
    t.eq(os.getxattr(".snapshots/b", "ontap.kind"), b"snapshot", "kind")
    os.symlink("../.snapshots/b", ".clones/c1")
    os.symlink("trident_pvc/.snapshots/b", "../c2")
    os.mkdir(".clones/c3")
    t.eq([t.read(".clones/%s/f" % c) for c in ("c1", "c2", "c3")], [b"frozen", b"frozen", b"later"], "bytes of the clones")
    t.expect(errno.EBUSY, t.run_as, 0, 0, os.rmdir, ".snapshots/b")  # base of two clones
    for c in ("c1", "c2", "c3"):
        os.setxattr(".clones/" + c, "ontap.arm", c.encode())
        t.run("rmdir", ".clones/" + c)
    t.eq(os.listdir(".clones"), [], "clones")
    os.mkdir(".snapshots/d")
    os.setxattr(".snapshots/d", "ontap.arm", b"d")
    t.drop(".snapshots/d")
    t.ok("d" not in t.rest_snapshots("trident_pvc", sim.dir), "deleted in REST")
    os.chdir("/")
