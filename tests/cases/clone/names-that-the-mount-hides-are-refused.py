#!/usr/bin/env python3
"""A clone or volume whose name include or exclude leaves out is EACCES and not made: nobody could see or remove it."""
# needs: own-mount
# cells: mkdir/clonedir symlink/root symlink/clonedir mkdir/root
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    before = t.rest_volumes(sim.dir)
    for i, opts in enumerate((("include=project1+exp*",), ("exclude=hid*",))):
        with t.Gateway(sim.backend, "%s/m%d" % (t.WORK, i), "allow=snapshot.create+clone.create+volume.create", *opts) as gw:
            os.chdir(gw.mnt)
            os.mkdir("project1/.snapshots/s%d" % i)
            for fn, args in ((os.mkdir, ("project1/.clones/hidden_one",)), (os.mkdir, ("hidden_one",)),
                             (os.symlink, ("project1@s%d" % i, "hidden_one")),
                             (os.symlink, ("../.snapshots/s%d" % i, "project1/.clones/hidden_one"))):
                t.expect(errno.EACCES, fn, *args)
                t.ok("hidden_one" in t.last_error(".") and "pattern" in t.last_error("."), t.last_error("."))
            t.eq(t.rest_volumes(sim.dir), before, "volumes in ONTAP")
            os.symlink("project1@s%d" % i, "exp%d" % i)
            before = t.rest_volumes(sim.dir)
            t.ok("exp%d" % i in before, "a name that is shown")
            os.chdir("/")
