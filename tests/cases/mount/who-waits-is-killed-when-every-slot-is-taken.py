#!/usr/bin/env python3
"""The server is silent, every slot is taken, more requests wait behind them: all who wait end by SIGINT or SIGKILL, whichever they are sent; then the mount works as before."""
# needs: own-mount
# not-on: ganesha (it is about the device)
import os
import signal
import ontapfs_test as t

SMALL, LARGE = 64 * 4, 8 * 16  # the fewest, with those that park


def begin(path):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            os.stat(path)
        finally:
            os._exit(1)
    return pid


def waits(pid):
    where = t.read("/proc/%d/wchan" % pid)
    return b"fuse" in where or b"request_wait_answer" in where


def ended(pids):
    for pid in list(pids):
        if os.waitpid(pid, os.WNOHANG)[0]:
            pids.remove(pid)
    return not pids


with t.own_mount("slots=64", "write_slots=8") as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/f", "x")
    for sig, n in ((signal.SIGKILL, SMALL + 40), (signal.SIGINT, SMALL + 40), (signal.SIGKILL, SMALL + LARGE + 40)):
        with sim.silent("nfs"):
            pids = [begin("%s/%d-%d-%d" % (v, sig, n, i)) for i in range(n)]
            try:
                t.wait_for(lambda: all(map(waits, pids)), "all to wait", 30)
                for pid in pids:
                    os.kill(pid, sig)
                t.wait_for(lambda: ended(pids), "all who wait to end by " + sig.name, 30)
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)
        t.eq(t.read(v + "/f"), b"x", "a file afterwards")
