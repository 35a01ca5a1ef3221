#!/usr/bin/env python3
"""One of two data LIFs swallows everything: reading and every kind of change go on by the other one."""
# needs: own-mount
# not-on: ganesha (it serves one address here)
# time-limit: 180
import concurrent.futures
import os
import ontapfs_test as t


def changes(i, data):
    """One of each; several run at a time, so that the dark LIF gets its part."""
    n = "d%d" % i
    os.mkdir(n)
    t.write(n + "/f", data[i:])
    os.chmod(n + "/f", 0o640)
    os.link(n + "/f", n + "/h")
    os.symlink("f", n + "/s")
    os.rename(n + "/h", n + "/g")
    os.truncate(n + "/g", 5000)
    os.unlink(n + "/s")
    os.mkdir(n + "/sub")
    os.rmdir(n + "/sub")


with t.proxied_mount(sim_args=("--lifs", "2")) as (sim, gw, proxy), concurrent.futures.ThreadPoolExecutor(8) as pool:
    data = b"".join(t.stamped(i) for i in range(256))
    store = sim.path()
    os.chdir(gw.mnt + "/project1")
    for i in range(8):
        t.write("f%d" % i, data)
    for dark in (0, 1):
        proxy.tell("blackhole on %d" % dark)
        for i in range(8):
            fd = os.open("f%d" % i, os.O_RDONLY | os.O_DIRECT)
            t.ok(os.pread(fd, len(data), 0) == data, "bytes")
            os.close(fd)
        # Each ends while that LIF is dark.
        for job in [pool.submit(changes, 8 * dark + i, data) for i in range(8)]:
            job.result(60)
        proxy.tell("blackhole off")
        for i in range(8):
            name = store + "/d%d" % (8 * dark + i)
            t.eq(sorted(os.listdir(name)), ["f", "g"], "names made and removed meanwhile")
            t.ok(t.read(name + "/f") == data[8 * dark + i:][:5000], "what was written meanwhile")
            t.eq((os.stat(name + "/f").st_nlink, os.stat(name + "/f").st_mode & 0o777), (2, 0o640), "attributes")
            t.write("g%d" % i, data[i:])
            t.ok(t.read(store + "/g%d" % i) == data[i:], "what is written afterwards")
    os.chdir("/")
