#!/usr/bin/env python3
"""Where holder and daemon were both killed, mounting again takes the dead mount away; one that lives, or only does not answer, stays."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
import errno
import os
import signal
import ontapfs_test as t


def kill_all(gw):
    pids = [gw.process("ontapfs-hold"), gw.process()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    t.wait_for(lambda: t.errno_of(os.stat, gw.mnt + "/project1") == errno.ENOTCONN, "the dead mount", 30)


with t.own_sim() as sim, t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
    t.write(gw.mnt + "/project1/f", "one")
    t.ok(gw.try_up() != 0 and "mounted there already" in gw.said, "a living one: " + gw.said)
    daemon = gw.process()
    os.kill(daemon, signal.SIGSTOP)
    try:
        t.ok(gw.try_up() != 0 and "mounted there already" in gw.said, "one that does not answer: " + gw.said)
    finally:
        os.kill(daemon, signal.SIGCONT)
    t.eq(t.read(gw.mnt + "/project1/f"), b"one", "it goes on")

    kill_all(gw)
    gw.up()
    t.ok("whose daemon is gone was taken away" in gw.said, gw.said)
    t.eq(t.read(gw.mnt + "/project1/f"), b"one", "mounted anew")
    t.eq(len([m for m in t.mounts_below(gw.mnt) if m[0] == gw.mnt]), 1, "one mount")
    # Held by somebody's working directory, too.
    inside = os.open(gw.mnt + "/project1", os.O_PATH)
    kill_all(gw)
    gw.up()
    t.eq(t.read(gw.mnt + "/project1/f"), b"one", "mounted anew again")
    os.close(inside)
