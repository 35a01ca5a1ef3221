#!/usr/bin/env python3
"""setfattr ontap.arm: the same user may remove after looking, for a minute."""
# cells: rule-6.2-arm
import errno
import os
import ontapfs_test as t


def look_then_remove(p):
    os.listdir(p)
    os.rmdir(p)


p = t.take("a")
t.expect(errno.ENOTEMPTY, t.run_as, 0, 0, look_then_remove, p)
t.expect((errno.EINVAL, errno.EPERM), os.setxattr, p, "ontap.arm", b"another-name")
t.expect(errno.ENOTEMPTY, t.run_as, 0, 0, look_then_remove, p)
os.setxattr(p, "ontap.arm", (t.SNAP + "a").encode())
t.run_as(0, 0, look_then_remove, p)
t.ok(t.SNAP + "a" not in t.rest_snapshots(), "deleted")
