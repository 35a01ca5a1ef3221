#!/usr/bin/env python3
"""A base that only a deleted clone holds, from ONTAP's recovery queue: EBUSY, and last_error says so, and until when."""
# needs: own-mount
# cells: rmdir/snapdir
import calendar
import errno
import os
import re
import time
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt)
    os.mkdir("project1/.snapshots/base")
    os.symlink("project1/.snapshots/base", "x")
    before = time.time()
    os.rmdir("project1/.clones/x")
    t.expect(errno.EBUSY, t.run_as, 0, 0, os.rmdir, "project1/.snapshots/base")
    text = t.last_error(".")
    os.chdir("/")
    m = re.search(r"Clone x, .* recovery queue, until (\S+Z)", text)
    t.ok(m, "last_error: " + text)
    until = calendar.timegm(time.strptime(m.group(1), "%Y-%m-%dT%H:%M:%SZ"))
    t.ok(before - 1 <= until - 12 * 3600 <= time.time(), "until " + m.group(1))
