#!/usr/bin/env python3
"""Sixteen processes of a data loader map the shards of a data set and read samples in random order, three epochs, live and in a snapshot, while a trainer saves checkpoints beside them: every sample is the one asked for."""
# time-limit: 120
import mmap
import os
import random
import struct
import ontapfs_test as t

WORKERS, SHARDS, SAMPLES, SIZE, EPOCHS = 16, 4, 256, 3000, 3


def sample(shard, i):
    return struct.pack("<II", shard, i) + bytes([(shard * 31 + i * 7) & 255]) * (SIZE - 8)


data = t.CASE + "/data"
os.mkdir(data)
for s in range(SHARDS):
    t.write("%s/shard%d" % (data, s), b"".join(sample(s, i) for i in range(SAMPLES)))
t.take()


def worker(n, top):
    rnd = random.Random(n)
    for _ in range(EPOCHS):
        maps = []
        for s in range(SHARDS):
            fd = os.open("%s/shard%d" % (top, s), os.O_RDONLY)
            maps.append(mmap.mmap(fd, 0, mmap.MAP_SHARED if n % 2 else mmap.MAP_PRIVATE, mmap.PROT_READ))
            os.close(fd)
        order = [(s, i) for s in range(SHARDS) for i in range(SAMPLES)]
        rnd.shuffle(order)
        for s, i in order[n::WORKERS] + order[:40]:
            t.ok(maps[s][i * SIZE:(i + 1) * SIZE] == sample(s, i), "sample %d of shard %d" % (i, s))
        for m in maps:
            m.close()


for top in (data, t.in_snap() + "/data"):
    pids = []
    for n in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            try:
                worker(n, top)
                os._exit(0)
            except BaseException as e:  # noqa: B902  the parent tells it
                t.write("%s/said%d" % (t.WORK, n), repr(e))
                os._exit(1)
        pids.append(pid)
    for i in range(10):
        t.write(t.CASE + "/checkpoint.tmp", t.stamped(i) * 100)
        os.replace(t.CASE + "/checkpoint.tmp", t.CASE + "/checkpoint")
        t.ok(t.read(t.CASE + "/checkpoint") == t.stamped(i) * 100, "the checkpoint")
    for n, pid in enumerate(pids):
        t.eq(os.waitpid(pid, 0)[1], 0, "loader %d in %s: %s" % (n, top, t.tail("%s/said%d" % (t.WORK, n))))
