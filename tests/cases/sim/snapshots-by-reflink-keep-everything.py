#!/usr/bin/env python3
"""With --nfs=ganesha a snapshot is a copy that shares blocks: it has all that the volume had, and nobody can change it."""
# needs: own-mount
# time-limit: 120
import errno
import os
import stat
import ontapfs_test as t

t.need("ganesha.nfsd", "mkfs.xfs")

FILES = 2000


def fill(top):
    os.mkdir(top + "/many")
    for i in range(FILES):
        t.write("%s/many/%d" % (top, i), "file %d" % i, mode=0o600 + i % 0o100)
        os.utime("%s/many/%d" % (top, i), ns=(1, 10 ** 18 + i))
    t.write(top + "/linked", "two names")
    os.link(top + "/linked", top + "/many/linked")
    os.symlink("many/linked", top + "/symlink")
    os.lchown(top + "/symlink", t.A, t.B)
    os.mkfifo(top + "/fifo", 0o640)
    os.mknod(top + "/device", stat.S_IFCHR | 0o620, os.makedev(7, 9))
    with open(top + "/sparse", "wb") as f:
        f.seek(1 << 30)
        f.write(b"end")
        f.truncate(3 << 30)
    t.write(top + "/suid", "#!")
    os.chown(top + "/suid", t.A, t.TEAM)
    os.chmod(top + "/suid", 0o6751)
    os.mkdir(top + "/sticky")
    os.chmod(top + "/sticky", 0o1770)
    os.chown(top + "/sticky", t.B, t.TEAM)
    os.utime(top + "/sticky", ns=(5, 7))
    # NFSv3 has no extended attributes; what has some got them on the server.
    os.setxattr(top + "/suid", "user.note", b"a" * 300)
    os.setxattr(top + "/sticky", "trusted.note", b"b")


def facts(top):
    """All that can be known of a tree, but for numbers of inodes and the time of its copying."""
    out, first = {}, {}
    for path, dirs, files in os.walk(top):
        for n in dirs + files:
            p = os.path.join(path, n)
            s = os.lstat(p)
            rel = os.path.relpath(p, top)
            same = first.setdefault(s.st_ino, rel) if s.st_nlink > 1 and not stat.S_ISDIR(s.st_mode) else None
            what = None
            if stat.S_ISLNK(s.st_mode):
                what = os.readlink(p)
            elif stat.S_ISREG(s.st_mode) and s.st_size < 1 << 20:
                what = t.read(p)
            attrs = {a: os.getxattr(p, a, follow_symlinks=False) for a in os.listxattr(p, follow_symlinks=False)}
            out[rel] = (s.st_mode, s.st_uid, s.st_gid, s.st_nlink, s.st_size, s.st_rdev, s.st_mtime_ns, same, what, attrs)
    return out


with t.own_sim("--nfs=ganesha") as sim, t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
    live = sim.path() + "/tree"
    os.mkdir(live)
    fill(live)
    want = facts(live)
    t.ok(len(want) > FILES, "the tree is there")
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    copy = sim.path("project1", "s")
    got = facts(copy + "/tree")
    t.eq({k: v for k, v in got.items() if want.get(k) != v}, {}, "what differs in the snapshot")
    t.eq(set(got), set(want), "names in the snapshot")
    t.ok(os.stat(copy + "/tree/sparse").st_blocks < 100, "holes stay holes")
    t.ok(".snapshot" not in os.listdir(copy), "the snapshot has no snapshots")
    shown = gw.mnt + "/project1/.snapshots/s/tree"
    t.eq(len(os.listdir(shown + "/many")), FILES + 1, "listed through NFS")
    t.eq(t.read(shown + "/many/77"), b"file 77", "read through NFS")

    # Not even the server's root can write to it.
    for what in (lambda: os.open(copy + "/tree/linked", os.O_WRONLY), lambda: os.unlink(copy + "/tree/linked"),
                 lambda: os.mkdir(copy + "/new"), lambda: os.chmod(copy + "/tree/many/1", 0o777),
                 lambda: os.rename(copy + "/tree", copy + "/other"), lambda: os.mkdir(sim.path() + "/.snapshot/new")):
        t.expect(errno.EPERM, what)

    # Removing the live tree, then the snapshot, leaves the clone whole.
    uuid = t.volume_uuid("project1", sim.dir)
    t.rest_job("POST", "/storage/volumes", {"name": "c", "svm": {"name": "svm1"}, "nas": {"path": "/c"}, "clone": {
        "is_flexclone": True, "parent_volume": {"uuid": uuid}, "parent_snapshot": {"name": "s"}}}, sim.dir)
    clone = sim.path("c")
    t.eq(facts(clone + "/tree"), got, "the clone")
    t.write(clone + "/tree/many/1", "changed")
    t.eq(t.read(copy + "/tree/many/1"), b"file 1", "the snapshot after a change of its clone")
