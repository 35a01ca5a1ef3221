#!/usr/bin/env python3
"""flock and fcntl locks hold between the processes of one mount."""
# cells: locks
import errno
import fcntl
import os
import ontapfs_test as t

f = t.CASE + "/f"
t.write(f, "x" * 100)


def try_lock(fn, *args):
    with open(f, "r+b") as g:
        return t.errno_of(fn, g, *args)


NB = fcntl.LOCK_EX | fcntl.LOCK_NB
with open(f, "r+b") as g:
    for fn in (fcntl.flock, fcntl.lockf):
        fn(g, fcntl.LOCK_EX)
        t.ok(t.run_as(0, 0, try_lock, fn, NB) in (errno.EAGAIN, errno.EACCES), "taken: %s" % fn.__name__)
        fn(g, fcntl.LOCK_UN)
        t.eq(t.run_as(0, 0, try_lock, fn, NB), 0, "free: %s" % fn.__name__)
    fcntl.lockf(g, fcntl.LOCK_EX, 10, 0)
    t.eq(t.run_as(0, 0, try_lock, fcntl.lockf, NB, 10, 50), 0, "another range")
