#!/usr/bin/env python3
"""After a transfer a SnapMirror destination shows the new content; what was open of the old is ESTALE, what is open in a snapshot goes on."""
# needs: own-mount
# cells: mirror-transfer
import errno
import os
import ontapfs_test as t


def gone(call, then):
    """True once call() is ESTALE; anything else it may answer is what stood there before."""
    try:
        t.eq(call(), then, "of the old one")
        return False
    except OSError as e:
        t.eq(e.errno, errno.ESTALE, "the error")
        return True


with t.own_sim() as sim:
    src = sim.path("project1")
    os.makedirs(src + "/d")
    t.write(src + "/f", "one")
    t.write(src + "/big", t.stamped(1) * 64)
    t.rest_snapshot_create("epoch1", sim=sim.dir)
    mirror = t.rest_mirror(sim=sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        os.chdir(gw.mnt)
        first = os.readlink("copy/.snapshots/@latest")
        t.eq(t.read("copy/f"), b"one", "before")
        old_file, old_dir = os.open("copy/f", os.O_RDONLY), os.open("copy", os.O_RDONLY)
        frozen = os.open("copy/.snapshots/epoch1/big", os.O_RDONLY)
        frozen_dir = os.open("copy/.snapshots/epoch1", os.O_RDONLY)
        ino = os.fstat(frozen).st_ino
        t.eq(os.pread(frozen, 4096, 0), t.stamped(1), "of the snapshot")

        for n in (2, 3):
            t.write(src + "/f", "version %d" % n)
            t.write(src + "/n%d" % n, "new")
            t.rest_transfer(mirror, sim.dir)
            t.wait_for(lambda n=n: t.read("copy/f") == b"version %d" % n, "the new content", 10)
            t.ok("n%d" % n in os.listdir("copy"), "a new name")
            # The kernel is told beside the answers: until it has dropped the old pages, they are the old bytes.
            for what, call, then in (("bytes", lambda: os.pread(old_file, 10, 0), b"one"),
                                     ("attributes", lambda: os.fstat(old_file).st_size, 3),
                                     ("names", lambda: sorted(os.listdir(old_dir)), ["big", "d", "f"])):
                t.wait_for(lambda call=call, then=then: gone(call, then), "the old %s to be ESTALE" % what, 10)
            # An epoch that began before goes on, by descriptor and by path.
            t.eq(os.pread(frozen, 4096, 16 * 4096 * n), t.stamped(1), "on in the snapshot")
            t.eq(sorted(os.listdir(frozen_dir)), ["big", "d", "f"], "names there")
            t.eq(t.read("copy/.snapshots/epoch1/f"), b"one", "bytes there")
            t.eq(os.stat("copy/.snapshots/epoch1/big").st_ino, ino, "and its inode number")

        t.wait_for(lambda: first not in os.listdir("copy/.snapshots"), "the first transfer's snapshot to go", 15)
        t.expect(errno.ENOENT, os.listdir, "copy/.snapshots/" + first)
        t.eq(t.read("copy@latest/f"), b"version 3", "the newest")
        for fd in (old_file, old_dir, frozen, frozen_dir):
            os.close(fd)
        os.chdir("/")
