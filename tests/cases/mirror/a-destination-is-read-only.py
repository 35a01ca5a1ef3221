#!/usr/bin/env python3
"""A SnapMirror destination is in the tree with its replicated snapshots: all can be read, every change is EROFS and says why."""
# needs: own-mount
# cells: mirror-read-only
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    src = sim.path("project1")
    os.makedirs(src + "/d")
    t.write(src + "/f", "one")
    t.write(src + "/d/g", "deep")
    t.rest_snapshot_create("epoch1", sim=sim.dir)
    t.write(src + "/f", "two")
    t.rest_mirror(sim=sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        os.chdir(gw.mnt)
        t.ok("copy" in os.listdir("."), "the root lists it")
        t.eq(sorted(os.listdir("copy")), ["d", "f"], "its content")
        t.eq((t.read("copy/f"), t.read("copy/d/g")), (b"two", b"deep"), "its bytes")
        names = sorted(os.listdir("copy/.snapshots"))
        t.eq(names, sorted(t.rest_snapshots("copy", sim.dir)), "its snapshots")
        t.ok(names[0] == "epoch1" and names[1].startswith("snapmirror."), "replicated: %r" % names)
        t.eq(os.readlink("copy/.snapshots/@latest"), names[1], "the newest is the transfer's")
        t.eq(t.read("copy/.snapshots/epoch1/f"), b"one", "bytes of a replicated snapshot")
        t.eq(t.read("copy@latest/f"), b"two", "bytes of the newest")
        t.ok(os.stat("copy/f").st_ino != os.stat("project1/f").st_ino, "inode numbers of source and copy")
        t.eq((os.getxattr("copy", "ontap.kind"), os.getxattr("copy", "ontap.volume.type")), (b"volume", b"dp"), "what it is")

        os.chdir("copy")
        for what, fn in (
                ("create", lambda: t.write("new", "x")), ("write", lambda: os.open("f", os.O_WRONLY)),
                ("append", lambda: os.open("f", os.O_WRONLY | os.O_APPEND)), ("read-write", lambda: os.open("f", os.O_RDWR)),
                ("O_TRUNC", lambda: os.open("f", os.O_RDONLY | os.O_TRUNC)), ("truncate", lambda: os.truncate("f", 0)),
                ("mkdir", lambda: os.mkdir("new")), ("rmdir", lambda: os.rmdir("d")), ("unlink", lambda: os.unlink("f")),
                ("rename", lambda: os.rename("f", "h")), ("link", lambda: os.link("f", "h")),
                ("symlink", lambda: os.symlink("f", "h")), ("mknod", lambda: os.mkfifo("h")),
                ("chmod", lambda: os.chmod("f", 0o600)), ("chown", lambda: os.chown("f", 1, 1)), ("utime", lambda: os.utime("f"))):
            t.eq(t.name_of(t.errno_of(fn)), "EROFS", what)
        t.eq((sorted(os.listdir(".")), t.read("f")), (["d", "f"], b"two"), "nothing changed")
        t.eq(t.name_of(t.errno_of(t.run_as, t.A, t.A, os.open, gw.mnt + "/copy/f", os.O_WRONLY)), "EACCES", "where modes forbid it")

        t.expect(errno.EROFS, os.mkdir, ".snapshots/mine")
        t.ok("SnapMirror" in t.last_error("."), "last_error: " + t.last_error("."))
        t.expect(errno.EROFS, os.mkdir, ".clones/now")
        t.ok("ln -s copy@latest now" in t.last_error("."), "last_error: " + t.last_error("."))
        for name in names:
            t.expect(errno.EPERM, os.rmdir, ".snapshots/" + name)
        t.eq(sorted(t.rest_snapshots("copy", sim.dir)), names, "snapshots afterwards")
        t.expect(errno.EPERM, os.rmdir, gw.mnt + "/copy")
        os.chdir("/")
