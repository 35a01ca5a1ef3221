#!/usr/bin/env python3
"""ontap.snapmirror.* tells state, lag, health and source, also while ONTAP is silent; `update` starts a transfer where allowed."""
# needs: own-mount
# time-limit: 120
# log-ok: cannot refresh|cannot reach|did not answer|timed out
# cells: mirror-state mirror-update
import errno
import os
import time
import ontapfs_test as t


def told(what, path="copy"):
    return os.getxattr(path, "ontap.snapmirror." + what).decode()


with t.own_sim() as sim:
    src = sim.path("project1")
    t.write(src + "/f", "one")
    mirror = t.rest_mirror(sim=sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/m1", "snapshot_refresh=1", "control_timeout=3") as gw:
        os.chdir(gw.mnt)
        t.eq([told(w) for w in ("state", "healthy", "source")], ["snapmirrored", "true", "svm1:project1"], "what it tells")
        names = os.getxattr("copy", "ontap.list").decode().split()
        t.ok("ontap.snapmirror.state" in names, "listed: %r" % names)
        for path in ("project1", "copy/f", "copy/.snapshots/@latest/"):
            t.expect(errno.ENODATA, told, "state", path)
        t.wait_for(lambda: int(told("lag")) >= 2, "the lag to grow", 10)
        t.expect(errno.EACCES, os.setxattr, "copy", "ontap.snapmirror.update", b"1")
        t.ok("snapmirror.update" in t.last_error("."), "last_error: " + t.last_error("."))

        # A transfer of somebody else, and one that fails.
        t.rest_transfer(mirror, sim.dir)
        t.wait_for(lambda: int(told("lag")) < 2, "the lag to fall", 10)
        t.rest_job("PATCH", mirror, {"state": "paused"}, sim.dir)
        t.wait_for(lambda: told("state") == "paused", "the state to change", 10)
        with sim.silent("rest"):
            t.pause(1.2)  # what is known is old now
            begin = time.monotonic()
            t.eq(told("state"), "paused", "what was known")
            took = time.monotonic() - begin
            t.ok(took < 3 + 5, "answered after %.1f s" % took)
        os.chdir("/")

    allow = "allow=snapshot.create+clone.create+snapmirror.update"
    with t.Gateway(sim.backend, t.WORK + "/m2", allow, "catalog_refresh=1") as gw:
        os.chdir(gw.mnt)
        t.expect(errno.EPERM, os.setxattr, "project1", "ontap.snapmirror.update", b"1")
        t.expect(errno.EINVAL, os.setxattr, "copy", "ontap.snapmirror.update", b"2")
        t.ok(t.errno_of(os.setxattr, "copy", "ontap.snapmirror.update", b"1") != 0, "a quiesced relationship is not updated")
        t.ok("paused" in t.last_error("."), "last_error: " + t.last_error("."))
        t.rest_job("PATCH", mirror, {"state": "snapmirrored"}, sim.dir)
        t.write(src + "/f", "two")
        os.setxattr("copy", "ontap.snapmirror.update", b"1")
        t.wait_for(lambda: t.read("copy/f") == b"two", "the content of the transfer", 20)
        t.eq(told("state"), "snapmirrored", "state")

        # Broken off it is a volume like any other.
        t.rest_job("PATCH", mirror, {"state": "broken_off"}, sim.dir)
        t.wait_for(lambda: t.errno_of(t.write, "copy/f", "three") == 0, "it to be writable", 10)
        t.wait_for(lambda: os.getxattr("copy", "ontap.volume.type") == b"rw", "its type", 10)
        os.mkdir("copy/.snapshots/mine")
        t.expect(errno.ENODATA, told, "state")
        os.chdir("/")
