#!/usr/bin/env python3
"""kill -9 of the daemon, fifteen times under a mixed load: no error, nothing done twice, no long pause."""
# needs: own-mount
# time-limit: 120
# log-ok: killed by signal 9|died of signal 9
import mmap
import os
import random
import time
import load
import ontapfs_test as t

KILLS, LONGEST = 15, 20.0

with t.own_mount() as (sim, gw):
    vol, behind = gw.mnt + "/project1", sim.path()
    os.makedirs(vol + "/d/e")
    names = ["f%03d" % i for i in range(700)]
    for n in names:
        t.write("%s/d/%s" % (behind, n), n)
    data = os.urandom(1 << 20)
    for n in ("held", "mapped", "removed"):
        t.write(vol + "/" + n, data)
    held = os.open(vol + "/held", os.O_RDWR)
    removed = os.open(vol + "/removed", os.O_RDONLY)
    os.unlink(vol + "/removed")
    with open(vol + "/mapped", "r+b") as f:
        mapped = mmap.mmap(f.fileno(), 0)
    os.chdir(vol + "/d/e")
    os.mkdir(vol + "/work")
    os.mkdir(vol + "/.snapshots/s")
    workers = load.Load(vol + "/work", behind + "/work")
    workers.goes_on()
    worst = 0.0
    for i in range(KILLS):
        half = os.scandir(vol + "/d")
        seen = [next(half).name for _ in range(1 + i * 40)]
        t.pause(random.uniform(0, 0.1))
        begin = time.monotonic()
        gw.replace_daemon()
        os.pwrite(held, b"kill %02d" % i, 100 * i)
        worst = max(worst, time.monotonic() - begin)
        t.eq(os.pread(held, 7, 100 * i), b"kill %02d" % i, "open file")
        seen += [e.name for e in half]
        t.eq(sorted(seen), ["e"] + names, "half-read directory")
        at = 4096 * (i + 1)
        t.ok(mapped[at:at + 4096] == data[at:at + 4096], "mapped file")
        mapped[at] = i
        mapped.flush()
        t.eq(os.getcwd(), vol + "/d/e", "working directory")
        t.write("here", "x")
        os.unlink("here")
        workers.goes_on()
    t.ok(os.pread(removed, len(data), 0) == data, "open and removed file")
    longest = max(workers.stop(), worst)
    print("longest pause %.2f s" % longest)
    t.ok(longest < LONGEST, "the longest pause was %.2f s" % longest)
    want = bytearray(data)
    for i in range(KILLS):
        want[4096 * (i + 1)] = i
    t.ok(t.read(behind + "/mapped") == bytes(want), "mapped file at the server")
    t.eq(t.read(vol + "/.snapshots/s/d/f123"), b"f123", "snapshot")
    mapped.close()
    os.close(held)
    os.close(removed)
    os.chdir("/")
    t.wait_for(lambda: not [n for _, _, files in os.walk(behind) for n in files if n.startswith(".nfs")],
               "no .nfs file is left", 10)
