#!/usr/bin/env python3
"""A small file of a snapshot costs one READ, whoever lists or does not list its directory first; what is read is right, however it is read."""
# needs: own-mount
import concurrent.futures
import os
import random
import ontapfs_test as t

SIZES = [0, 1, 4095, 4096, 65535, 65536, 65537, 110 * 1024, 131072, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]
N = 30
WANT = [random.Random(i).randbytes(SIZES[i] if i < len(SIZES) else 5000 + i) for i in range(N)]

for xfer in (1 << 20, 65536):
    with t.own_mount(sim_args=("--max-xfer", xfer)) as (sim, gw):
        for d in ("named", "listed", "many"):
            os.mkdir("%s/%s" % (sim.path(), d))
            for i in range(N):
                t.write("%s/%s/f%d" % (sim.path(), d, i), WANT[i])
        snap = gw.mnt + "/project1/.snapshots/s/"
        os.mkdir(snap)

        def calls(proc):
            return t.counter(t.stats(gw.mnt), "ontapfs_nfs_calls_total", proc=proc)

        # Names from elsewhere: after some misses the directory is listed unasked.
        for i in range(N - 3, N):
            t.eq(t.read("%snamed/f%d" % (snap, i)), WANT[i], "f%d" % i)
        t.wait_for(lambda: t.counter(t.stats(gw.mnt), "ontapfs_own_listings_total"), "the directory to be listed", 30)
        t.eq(sorted(os.listdir(snap + "listed")), sorted("f%d" % i for i in range(N)), "names")
        os.stat(snap + "listed/f%d" % (N - 1))
        first = [calls(p) for p in ("LOOKUP", "ACCESS", "READ")]
        for d in ("named", "listed"):
            for i in range(len(SIZES), N - 3):
                t.eq(t.read("%s%s/f%d" % (snap, d, i)), WANT[i], "%s/f%d" % (d, i))
        lookups, access, reads = [calls(p) for p in ("LOOKUP", "ACCESS", "READ")]
        t.eq(reads - first[2], 2 * (N - 3 - len(SIZES)), "READ calls")
        # The kernel may have forgotten the directories above meanwhile.
        t.ok(lookups - first[0] <= 8 and access - first[1] <= 1, "%d LOOKUPs, %d ACCESSes" % (
            lookups - first[0], access - first[1]))

        # In odd pieces, from behind, and by several at once on one descriptor.
        for i, size in enumerate(SIZES):
            fd = os.open("%snamed/f%d" % (snap, i), os.O_RDONLY)
            got = b"".join(os.pread(fd, 20001, off) for off in range(0, size, 20001))
            t.ok(got == WANT[i], "f%d in pieces" % i)
            os.close(fd)
            fd = os.open("%slisted/f%d" % (snap, i), os.O_RDONLY | os.O_DIRECT)
            for off in reversed(range(0, size + 1, 65536)):
                t.ok(os.pread(fd, 65536, off) == WANT[i][off:off + 65536], "f%d from behind at %d" % (i, off))
            os.close(fd)
            fd = os.open("%smany/f%d" % (snap, i), os.O_RDONLY | os.O_DIRECT)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                all_of_them = list(pool.map(lambda n, fd=fd: os.pread(fd, 1 << 20, 0), range(4)))
            t.ok(all(x == WANT[i][:1 << 20] for x in all_of_them), "f%d by several" % i)
            os.close(fd)
