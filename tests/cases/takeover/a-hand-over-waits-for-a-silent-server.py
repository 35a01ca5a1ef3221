#!/usr/bin/env python3
"""SIGTERM to the daemon while the NFS server is silent: what is under way is finished by the successor, without an error."""
# needs: own-mount
# time-limit: 90
import os
import signal
import time
import load
import ontapfs_test as t

SILENT = 4.0

with t.own_mount() as (sim, gw):
    vol, behind = gw.mnt + "/project1", sim.path()
    data = os.urandom(1 << 20)
    os.mkdir(vol + "/work")
    t.write(vol + "/held", data)
    held = os.open(vol + "/held", os.O_RDWR)
    workers = load.Load(vol + "/work", behind + "/work", 4)
    workers.goes_on()
    with sim.silent("nfs"):
        begin = time.monotonic()
        t.pause(0.2)  # every worker waits for an answer by now
        old = gw.process()
        os.kill(old, signal.SIGTERM)
        t.pause(begin + SILENT - time.monotonic())
    t.wait_for(lambda: gw.process() not in (None, old), "a new daemon", 20)
    workers.goes_on()
    os.pwrite(held, b"after", 0)
    t.eq(os.pread(held, len(data), 0), b"after" + data[5:], "open file")
    # And with a server that answers.
    gw.replace_daemon(signal.SIGTERM)
    workers.goes_on()
    print("longest pause %.2f s" % workers.stop())
    os.close(held)
