#!/usr/bin/env python3
"""The sticky rule knows users by uid and realm: the same number on a host with other users is not the creator."""
import errno
import os
import ontapfs_test as t

t.run_as(t.A, t.A, os.mkdir, t.snap("a"))
with t.second_mount("realm=other-users") as b:
    there = t.snap("a", mnt=b.mnt)
    t.expect(errno.EPERM, t.run_as, t.A, t.A, os.rmdir, there)
    t.expect(errno.EPERM, t.run_as, t.A, t.A, os.rename, there, t.snap("b", mnt=b.mnt))
    t.ok("realm" in t.run_as(t.A, t.A, t.last_error, b.mnt) or t.SNAP in t.run_as(t.A, t.A, t.last_error, b.mnt),
         "last_error tells why")
t.run_as(t.A, t.A, os.rmdir, t.snap("a"))
