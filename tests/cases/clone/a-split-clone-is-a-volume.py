#!/usr/bin/env python3
"""ontap.clone.split written by the creator or an admin splits a clone: it becomes an ordinary volume at the root."""
# needs: own-mount
# cells: split/live
import errno
import os
import stat
import ontapfs_test as t

with t.own_mount("catalog_refresh=1") as (sim, gw):
    t.write(gw.mnt + "/project1/f", "base")
    os.chmod(gw.mnt + "/project1", 0o777)
    clone = gw.mnt + "/project1/.clones/c"
    t.run_as(t.A, t.A, os.mkdir, clone)
    t.eq(os.getxattr(clone, "ontap.clone.split"), b"0", "before")
    t.ok(b"ontap.clone.split" in os.getxattr(clone, "ontap.list").split(), "in ontap.list")
    t.expect(errno.EPERM, t.run_as, t.B, t.B, os.setxattr, clone, "ontap.clone.split", b"1")
    t.expect(errno.EINVAL, t.run_as, t.A, t.A, os.setxattr, clone, "ontap.clone.split", b"2")
    t.expect(errno.EPERM, os.setxattr, gw.mnt + "/project1", "ontap.clone.split", b"1")
    t.ok(os.path.islink(gw.mnt + "/c"), "a link before")
    t.run_as(t.A, t.A, os.setxattr, clone, "ontap.clone.split", b"1")
    t.wait_for(lambda: stat.S_ISDIR(os.lstat(gw.mnt + "/c").st_mode), "the volume at the root", 20)
    t.eq(t.read(gw.mnt + "/c/f"), b"base", "its bytes")
    t.eq(os.listdir(gw.mnt + "/project1/.clones"), [], "its parent's clones")
    t.expect(errno.ENOENT, os.lstat, clone)
    t.eq(os.getxattr(gw.mnt + "/c", "ontap.kind"), b"volume", "kind")
    t.expect(errno.ENODATA, os.getxattr, gw.mnt + "/c", "ontap.clone.split")
