#!/usr/bin/env python3
"""ontap.volume.size is written in bytes or with a suffix, where volume.resize is allowed."""
# needs: own-mount
# cells: resize/live
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    t.expect(errno.EACCES, os.setxattr, gw.mnt + "/project1", "ontap.volume.size", b"2G")
with t.own_mount("allow=volume.resize", name="m2") as (sim, gw):
    v = gw.mnt + "/project1"
    for text, want in ((b"3G", 3 << 30), (str(2 << 30).encode(), 2 << 30)):
        os.setxattr(v, "ontap.volume.size", text)
        t.eq(int(os.getxattr(v, "ontap.volume.size")), want, "size after %r" % text)
        t.eq(t.rest_volume("project1", sim.dir)["size"], want, "ONTAP's size")
    for bad in (b"", b"0", b"-1", b"2X", b"1.5G", b"99999999999999999999"):
        t.expect(errno.EINVAL, os.setxattr, v, "ontap.volume.size", bad)
    t.write(v + "/f", "x")
    t.expect(errno.EPERM, os.setxattr, v + "/f", "ontap.volume.size", b"3G")
    t.eq(t.rest_volume("project1", sim.dir)["size"], 2 << 30, "size after refusals")
    # The kernel lets root do all; the server's word counts for who is no admin.
    os.chmod(v, 0o755)
    t.rest_export_rules({"superuser": ["none"]}, sim.dir)
    t.wait_for(lambda: t.errno_of(os.truncate, v + "/f", 1) == errno.EACCES, "root to be refused by the server", 30)
    p = t.run("unshare", "--pid", "--fork", "setfattr", "-n", "ontap.volume.size", "-v", "3G", v, check=False)
    t.ok(p.returncode == 1 and os.strerror(errno.EACCES) in p.stderr, "root of a container: " + p.stderr)
    t.eq(t.rest_volume("project1", sim.dir)["size"], 2 << 30, "size after its attempt")
    os.setxattr(v, "ontap.volume.size", b"3G")
    t.eq(t.rest_volume("project1", sim.dir)["size"], 3 << 30, "size set by an admin")
