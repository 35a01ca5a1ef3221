#!/usr/bin/env python3
"""A verb that takes ONTAP longer than verb_wait is EINPROGRESS and goes on; it stands in .ontap/jobs; the same verb again joins it."""
# needs: own-mount
# cells: verb-wait
import errno
import os
import ontapfs_test as t

with t.own_mount("verb_wait=0.2", "attr_timeout=0") as (sim, gw):
    os.chdir(gw.mnt)
    t.rest_snapshot_create("s", sim=sim.dir)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "700")
    for verb, path, fn, args, there in (
            ("snapshot.create", "project1/.snapshots/new", os.mkdir, ("project1/.snapshots/new",), True),
            ("clone.create", "project1/.clones/c", os.mkdir, ("project1/.clones/c",), True),
            ("clone.create", "linked", os.symlink, ("project1/.snapshots/s", "linked"), True),
            ("snapshot.delete", "project1/.snapshots/new", os.rmdir, ("project1/.snapshots/new",), False),
            ("clone.delete", "project1/.clones/c", os.rmdir, ("project1/.clones/c",), False)):
        t.expect(errno.EINPROGRESS, t.run_as, 0, 0, fn, *args)
        t.ok(verb in t.last_error("."), "last_error: " + t.last_error("."))
        jobs = t.read(".ontap/jobs").decode()
        t.eq((jobs.count("\n"), verb in jobs), (1, True), "jobs: " + jobs)
        t.expect((0, errno.EINPROGRESS), t.run_as, 0, 0, fn, *args)
        t.ok(t.read(".ontap/jobs").decode().count("\n") <= 1, "the second one joined")
        t.wait_for(lambda: not t.read(".ontap/jobs"), "the end of the job", 10)
        t.wait_for(lambda p=path, want=there: os.path.lexists(p) == want, "%s of %s" % (verb, path), 10)
    t.eq(sorted(t.rest_volumes(sim.dir)), ["imagenet", "linked", "project1", "trident_pvc"], "volumes")
    t.eq(sorted(n for n in t.rest_snapshots(sim=sim.dir) if not n.startswith("clone_")), ["s"], "snapshots")
    os.chdir("/")
