#!/usr/bin/env python3
"""rmdir of a clone is EBUSY while it has a snapshot or a clone of its own, or files open here; armed or not; inherited snapshots do not hold it."""
# needs: own-mount
# cells: rmdir/clonedir rule-6.3-snapshots rule-6.3-open
import datetime
import errno
import os
import time
import ontapfs_test as t

with t.own_fixture():
    clones, case = t.MNT + "/project1/.clones/", os.path.basename(t.CASE)
    x, y, z = (t.clone_name(n) for n in "xyz")

    def arm_and_remove(name, where=clones):
        t.run_as(0, 0, os.setxattr, where + name, "ontap.arm", name.encode())
        t.run_as(0, 0, os.rmdir, where + name)

    t.write(t.CASE + "/f", "x")
    t.take("a")
    os.symlink("project1/.snapshots/" + t.SNAP + "a", t.MNT + "/" + x)
    t.ok(t.SNAP + "a" in os.listdir(clones + x + "/.snapshots"), "a clone is born with its base")
    for opened in ("/%s/f" % case, "/" + case, ""):
        fd = os.open(clones + x + opened, os.O_RDONLY)
        t.expect(errno.EBUSY, arm_and_remove, x)
        t.ok("open" in t.last_error(t.MNT), "last_error: " + t.last_error(t.MNT))
        os.close(fd)
    # Times on ONTAP are whole seconds; the case of one second has a test of its own.
    born = datetime.datetime.fromisoformat(t.rest_volume(x)["create_time"]).timestamp()
    t.wait_for(lambda: time.time() >= born + 1, "the next second")
    os.mkdir("%s%s/.snapshots/own" % (clones, x))

    def about_snapshot():
        # The kernel tells the last close a moment later.
        t.expect(errno.EBUSY, arm_and_remove, x)
        return "own" in t.last_error(t.MNT)
    t.wait_for(about_snapshot, "EBUSY for the snapshot", 5)
    os.mkdir("%s%s/.clones/%s" % (clones, x, y))
    t.expect(errno.EBUSY, arm_and_remove, x)
    t.rest_volume_delete(y)
    for s in t.rest_snapshots(x):
        if s == "own" or s.startswith("clone_" + y):
            t.rest_snapshot_delete(s, x)
    arm_and_remove(x)
    t.eq(t.rest_volume(x), None, "the clone without a snapshot of its own")
    os.mkdir(clones + z)
    t.ok(t.SNAP + "a" in os.listdir(clones + z + "/.snapshots"), "inherited")
    arm_and_remove(z)
    t.eq(t.rest_volume(z), None, "the clone with inherited snapshots only")
