#!/usr/bin/env python3
"""A base that only a deleted clone holds, from ONTAP's recovery queue: EBUSY, and last_error says so, and until when."""
# needs: own-mount
# cells: rmdir/snapdir
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt)
    os.mkdir("project1/.snapshots/base")
    os.symlink("project1/.snapshots/base", "x")
    os.rmdir("project1/.clones/x")
    t.expect(errno.EBUSY, t.run_as, 0, 0, os.rmdir, "project1/.snapshots/base")
    text = t.last_error(".")
    os.chdir("/")
    t.ok("recovery queue" in text, "last_error: " + text)
