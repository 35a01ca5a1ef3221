#!/usr/bin/env python3
"""Many processes write blocks of one file while others read: no block is ever anyone else's."""
import os
import random
import ontapfs_test as t

f = t.CASE + "/f"
WRITERS, READERS, BLOCKS, ROUNDS, SIZE = 4, 3, 64, 12, 16384
t.write(f, b"".join(t.stamped(b, 0, SIZE) for b in range(WRITERS * BLOCKS)))


def writer(w):
    fd = os.open(f, os.O_WRONLY)
    for r in range(1, ROUNDS + 1):
        for b in random.sample(range(w * BLOCKS, (w + 1) * BLOCKS), BLOCKS):
            os.pwrite(fd, t.stamped(b, r, SIZE), b * SIZE)
    os.close(fd)


def reader(seed):
    rnd = random.Random(seed)
    fd = os.open(f, os.O_RDONLY)
    for _ in range(600):
        b = rnd.randrange(WRITERS * BLOCKS)
        got = os.pread(fd, SIZE, b * SIZE)
        t.eq(len(got), SIZE, "length")
        for i in range(0, SIZE, 32):
            if got[i:i + 16] != b"%016x" % b:
                t.fail("block %d holds %r at %d" % (b, got[i:i + 32], i))
    os.close(fd)


pids = []
for fn, arg in [(writer, w) for w in range(WRITERS)] + [(reader, r) for r in range(READERS)]:
    pid = os.fork()
    if pid == 0:
        try:
            fn(arg)
            os._exit(0)
        except BaseException as e:
            print(e, flush=True)
            os._exit(1)
    pids.append(pid)
t.eq([os.waitpid(p, 0)[1] for p in pids], [0] * len(pids), "exits")
want = b"".join(t.stamped(b, ROUNDS, SIZE) for b in range(WRITERS * BLOCKS))
t.eq(t.read(f) == want, True, "the last version, as read here")
t.eq(t.read(os.path.join(t.STORE, os.path.basename(t.CASE), "f")) == want, True, "the last version at the server")
