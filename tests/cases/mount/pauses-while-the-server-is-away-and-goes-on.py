#!/usr/bin/env python3
"""A hard mount waits when the filer goes, and goes on when it is back: descriptors, mmaps, writers, readers."""
# needs: own-mount
# time-limit: 120
import os
import select
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    vol = gw.mnt + "/project1"
    data = os.urandom(4 << 20)
    t.write(vol + "/f", data)
    t.write(sim.path("project1") + "/fresh", data)
    os.mkdir(vol + "/.snapshots/run1")
    frozen = os.open(vol + "/.snapshots/run1", os.O_RDONLY | os.O_DIRECTORY)
    t.ok(t.read(vol + "/.snapshots/run1/f") == data, "snapshot before")
    for round_ in range(2):
        held = os.open(vol + "/f", os.O_RDWR)
        go_r, go_w = os.pipe()
        pids = {}
        for what in ("reader", "writer", "lister", "maker"):
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(go_w)
                    os.read(go_r, 1)  # its end
                    if what == "reader":
                        assert t.read(vol + "/fresh") == data
                    elif what == "writer":
                        os.pwrite(held, b"written %d" % round_, 1000)
                        os.fsync(held)
                    elif what == "lister":
                        assert "f" in os.listdir(vol)
                    else:
                        t.write(vol + "/new%d" % round_, "made while away")
                    os.write(w, b"k")
                except BaseException as e:
                    os.write(w, ("x %s" % e).encode()[:500])
                os._exit(0)
            os.close(w)
            pids[what] = (pid, r)
        # The writer's alone: on older kernels a close waits for a write under way, and each program
        # that is started here begins by closing what it inherits.
        os.close(held)
        os.close(go_r)
        sim.down()
        # Not by its path: that leads through the live volume, whose attributes are asked for.
        fd = os.open("f", os.O_RDONLY, dir_fd=frozen)
        t.ok(os.pread(fd, len(data) + 1, 0) == data, "what is cached of a snapshot needs no server")
        os.close(fd)
        os.close(go_w)
        ready, _, _ = select.select([r for _, r in pids.values()], [], [], 1.0)
        early = {w for w, (_, r) in pids.items() if r in ready}
        t.eq(early, set(), "nobody gets an answer without a server")
        sim.up()
        for what, (pid, r) in pids.items():
            got, _, _ = select.select([r], [], [], 40)
            t.ok(got, what + " goes on")
            t.eq(os.read(r, 500), b"k", what)
            os.close(r)
            os.waitpid(pid, 0)
        t.eq(t.read(vol + "/f")[1000:1009], b"written %d" % round_, "what the writer wrote")
        t.eq(t.read(vol + "/new%d" % round_), b"made while away", "what was made")
        t.wait_for(lambda: t.errno_of(os.mkdir, vol + "/.snapshots/after%d" % round_) in (0, t.errno.EEXIST),
                   "a snapshot after the pause", 40)
    os.close(frozen)
