#!/usr/bin/env python3
"""A server of small transfers (8 KiB): large reads, writes and directories are whole. The size changes in use, to less and to more: all goes on."""
# needs: own-mount
# not-on: ganesha (its transfer size is fixed)
import os
import export
import ontapfs_test as t

with t.own_mount("attr_timeout=0", sim_args=("--max-xfer", 8192)) as (sim, gw):
    v, behind = gw.mnt + "/project1", sim.path()
    names = {"a-name-of-some-length-%04d" % i for i in range(1500)}
    os.mkdir(behind + "/many")
    for n in names:
        t.write(behind + "/many/" + n, "")

    def works(what, seed):
        data = b"".join(t.stamped(i, seed) for i in range(700)) + b"end"
        t.write(v + "/f", data)
        t.ok(t.read(behind + "/f") == data, what + ": what was written")
        t.write(behind + "/g", data)
        t.ok(t.read(v + "/g") == data, what + ": what is read")
        fd = os.open(v + "/g", os.O_RDONLY | os.O_DIRECT)
        t.ok(b"".join(iter(lambda: os.read(fd, 1 << 20), b"")) == data, what + ": in large pieces")
        os.close(fd)
        t.eq(set(os.listdir(v + "/many")), names, what + ": a directory")

    works("8 KiB", 1)
    held = os.open(v + "/f", os.O_RDWR)
    for i, size in enumerate((65536, 16384, 1 << 20, 8192)):
        export.service(sim, transport={"tcp_max_transfer_size": size})
        works("%d bytes" % size, 2 + i)
        t.eq(os.pwrite(held, b"z" * 200000, 1000), 200000, "a file that stayed open")
        t.eq(t.read(behind + "/f")[1000:201000], b"z" * 200000, "its bytes")
    os.close(held)
