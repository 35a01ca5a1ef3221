#!/usr/bin/env python3
"""Right after a killed daemon was replaced, the maker of a clone may delete it, and nobody else."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: rule-6.3-owner
import errno
import os
import ontapfs_test as t


def remove(path):
    os.setxattr(path, "ontap.arm", os.path.basename(path).encode())
    os.rmdir(path)


with t.own_mount() as (_, gw):
    os.chmod(gw.mnt + "/project1", 0o777)
    for i, (uid, other) in enumerate(((0, t.B), (t.A, t.B), (t.A, t.B))):
        clone = "%s/project1/.clones/c%d" % (gw.mnt, i)
        t.run_as(uid, uid, os.mkdir, clone)
        gw.replace_daemon()
        t.expect(errno.EPERM, t.run_as, other, other, remove, clone)
        gw.replace_daemon()
        t.run_as(uid, uid, remove, clone)
        t.expect(errno.ENOENT, os.stat, clone)
