#!/usr/bin/env python3
"""ontap.last_error: the last refusal of this user, in words; others do not see it."""
import errno
import os
import ontapfs_test as t

vol = t.MNT + "/project1"
t.expect(errno.EINVAL, t.run_as, t.A, t.A, os.mkdir, vol + "/.snapshots/-bad")
a = t.run_as(t.A, t.A, t.last_error, vol)
t.ok("name" in a.lower(), "it tells why: %r" % a)
t.ok("\n" not in a.strip() and len(a) < 1000, "one sentence")


def of_c():
    try:
        return t.last_error(vol)
    except OSError as e:
        t.eq(e.errno, errno.ENODATA, "nothing to tell")
        return ""


t.ok(a.strip() not in t.run_as(t.C, t.C, of_c), "another user does not see it")
f = t.run_as(t.A, t.A, t.read, t.MNT + "/.ontap/last_error").decode()
t.ok(a.strip() in f, ".ontap/last_error tells the same: %r" % f)
