#!/usr/bin/env python3
"""Who waits for an absent server can be killed, and the mount can be taken away."""
# needs: own-mount
import os
import signal
import subprocess
import ontapfs_test as t

with t.own_sim() as sim:
    gw = t.Gateway(sim.backend, t.WORK + "/mnt").up()
    try:
        t.write(sim.path("project1") + "/f", b"x" * 1000000)
        sim.down()
        p = subprocess.Popen(["cat", gw.mnt + "/project1/f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(1)
            t.fail("cat got an answer without a server")
        except subprocess.TimeoutExpired:
            pass
        p.send_signal(signal.SIGKILL)
        t.eq(p.wait(10), -signal.SIGKILL, "the reader dies at once")
        t.run("umount", "-l", gw.mnt, timeout=20)
        t.ok(not gw.mounted(), "unmounted without a server")
        t.wait_for(lambda: not t.gateway_processes(gw.mnt), "daemon and holder to end", 20)
        sim.up()
    finally:
        gw.destroy()
