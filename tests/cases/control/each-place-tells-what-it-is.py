#!/usr/bin/env python3
"""stat, statfs and attributes at each kind of place: links, modes and times, ontap.* readable, user.* refused."""
# cells: stat/root stat/live stat/snapdir stat/snapshot setxattr/root setxattr/live setxattr/snapdir setxattr/snapshot
# cells: getxattr/root getxattr/live getxattr/snapdir getxattr/snapshot statfs/snapdir readdir/snapshot readdir/snapdir
import errno
import os
import stat
import ontapfs_test as t

root, vol, snaps = t.MNT, t.MNT + "/project1", t.MNT + "/project1/.snapshots"
t.write(t.CASE + "/f", "x", mode=0o640)
os.chmod(t.CASE + "/f", 0o6751)
one = t.take("a")
t.write(t.CASE + "/later", "y")
frozen = t.in_snap("a")
for path, kind, err in ((root, b"root", errno.EOPNOTSUPP), (vol, b"volume", errno.EOPNOTSUPP), (t.CASE, b"directory", errno.EOPNOTSUPP),
                        (snaps, b"snapdir", errno.EPERM), (one, b"snapshot", errno.EOPNOTSUPP),
                        (frozen, b"directory", errno.EOPNOTSUPP), (frozen + "/f", b"file", errno.EOPNOTSUPP)):
    t.eq(os.getxattr(path, "ontap.kind"), kind, "ontap.kind of " + path)
    t.ok(os.getxattr(path, "ontap.json").startswith(b"{"), "ontap.json of " + path)
    t.expect(err, os.setxattr, path, "user.x", b"1")
    t.expect(errno.EPERM, os.setxattr, path, "ontap.kind", b"x")
    t.eq(os.listxattr(path), [], "listed attributes of " + path)
for path in (root, snaps, vol + "/.clones", root + "/.ontap"):
    t.eq(os.stat(path).st_nlink, 1, "links of " + path)
os.listdir(snaps)
t.wait_for(lambda: os.stat(snaps).st_mtime >= os.stat(one).st_mtime, "mtime of .snapshots is the newest snapshot's", 8)
t.eq(stat.S_IMODE(os.stat(frozen + "/f").st_mode), 0o6751, "mode in the snapshot")
t.eq(os.stat(frozen + "/f").st_mtime_ns, os.stat(t.CASE + "/f").st_mtime_ns, "mtime in the snapshot")
t.ok(len({os.stat(p).st_ino for p in (t.CASE, frozen, vol, one, snaps, root)}) == 6, "inode numbers")
size = os.statvfs(vol)
for path in (snaps, one, frozen, t.CASE):
    t.eq(os.statvfs(path).f_blocks, size.f_blocks, "size of " + path)
t.eq(os.statvfs(one).f_bavail, 0, "available in a snapshot")
t.eq((sorted(os.listdir(frozen)), sorted(os.listdir(t.CASE))), (["f"], ["f", "later"]), "names in the snapshot and in the volume")
t.eq(t.run("ls", "-A", frozen).stdout.split(), ["f"], "again, by another process")
t.ok(t.SNAP + "a" in os.listdir(snaps), "names in .snapshots")
