#!/usr/bin/env python3
"""ln -s of a destination's snapshot makes a writable clone, for who may read it and could write in its root; transfers go on."""
# needs: own-mount
# cells: mirror-clone
import errno
import os
import ontapfs_test as t

t.need("unshare")


def link(gw, uid, name, groups=(), snap="epoch1"):
    t.run_as(uid, uid, os.symlink, "copy/.snapshots/" + snap, gw.mnt + "/" + name, groups=groups)


with t.own_sim() as sim:
    src = sim.path("project1")
    t.write(src + "/f", "one")
    t.rest_snapshot_create("epoch1", sim=sim.dir)
    t.write(src + "/f", "two")
    mirror = t.rest_mirror(sim=sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        os.chdir(gw.mnt)
        os.symlink("copy/.snapshots/epoch1", "exp1")
        t.eq(os.readlink("exp1"), "copy/.clones/exp1", "where it is")
        t.eq(t.read("exp1/f"), b"one", "bytes of its base")
        t.write("exp1/f", "mine")
        os.mkdir("exp1/.snapshots/own")
        t.eq((t.read("exp1/f"), t.read("copy/.snapshots/epoch1/f")), (b"mine", b"one"), "the clone, and its base")
        t.run("ln", "-s", "copy@latest", "train")
        t.eq(t.read("train/f"), b"two", "the newest snapshot's bytes")
        t.eq(os.getxattr("train", "ontap.volume.type"), b"rw", "type of the clone")
        t.write(src + "/f", "three")
        t.rest_transfer(mirror, sim.dir)
        t.wait_for(lambda: t.read("copy/f") == b"three", "the next transfer's content", 10)
        t.write("train/new", "in use")
        t.eq((t.read("train/f"), t.read("train/new")), (b"two", b"in use"), "a clone after the transfer")
        t.expect(errno.ENOENT, os.symlink, "copy/.snapshots/none", "exp2")

        def modes(mode, uid, gid):
            """Of the source's root; they come with the next transfer."""
            os.chown(src, uid, gid)
            os.chmod(src, mode)
            t.rest_transfer(mirror, sim.dir)
            t.wait_for(lambda: os.stat("copy").st_mode & 0o7777 == mode and os.stat("copy").st_gid == gid, "the modes", 10)

        modes(0o755, t.A, t.TEAM)
        link(gw, t.A, "a_owner")
        t.expect(errno.EACCES, link, gw, t.B, "b1", (t.TEAM,))
        t.ok("write permission" in t.run_as(t.B, t.B, t.last_error, gw.mnt), "last_error of B")
        t.expect(errno.EACCES, link, gw, t.C, "c1")
        modes(0o575, t.A, t.TEAM)
        t.expect(errno.EACCES, link, gw, t.A, "a1")
        link(gw, t.B, "b_group", (t.TEAM,))
        t.expect(errno.EACCES, link, gw, t.C, "c2")
        modes(0o557, t.A, t.TEAM)
        t.expect(errno.EACCES, link, gw, t.B, "b2", (t.TEAM,))
        link(gw, t.C, "c_other")
        modes(0o772, t.A, t.TEAM)
        t.expect(errno.EACCES, link, gw, t.C, "c3")  # may write, but not look
        modes(0o755, 0, 0)
        for ns in ("--pid", "--user"):  # nobody there knows whether the server would squash it
            p = t.run("unshare", ns, "--fork", "ln", "-s", "copy@latest", "r1", check=False)
            t.ok(p.returncode != 0 and os.strerror(errno.EACCES) in p.stderr, "root of a container: " + p.stderr)
        modes(0o500, t.A, t.A)
        os.symlink("copy/.snapshots/epoch1", "by_admin")
        t.eq([v for v in t.rest_volumes(sim.dir) if "_" in v],
             ["a_owner", "b_group", "by_admin", "c_other", "trident_pvc"], "clones made")
        os.chdir("/")
