#!/usr/bin/env python3
"""listxattr is empty; user.* is EOPNOTSUPP; removexattr works as tools expect; system and security answer without the server."""
# cells: setxattr/root setxattr/live setxattr/snapshot
import errno
import os
import ontapfs_test as t

f = t.CASE + "/f"
t.write(f, "x")
t.take()
for p in (t.MNT, t.MNT + "/project1", f, t.snap(), t.in_snap() + "/f"):
    t.eq(os.listxattr(p), [], "listxattr of " + p)
    t.expect(errno.EOPNOTSUPP, os.setxattr, p, "user.x", b"1")
    t.expect((errno.ENODATA, errno.EOPNOTSUPP), os.getxattr, p, "user.x")
    for n in ("security.capability", "security.selinux", "system.posix_acl_access", "trusted.x"):
        t.expect((errno.ENODATA, errno.EOPNOTSUPP), os.getxattr, p, n)
t.expect((errno.ENODATA, errno.EOPNOTSUPP), os.removexattr, f, "user.x")
t.expect((errno.EPERM, errno.EACCES, errno.EOPNOTSUPP), os.setxattr, f, "ontap.kind", b"volume")
t.eq(os.getxattr(f, "ontap.kind"), b"file", "kind after the attempt")
