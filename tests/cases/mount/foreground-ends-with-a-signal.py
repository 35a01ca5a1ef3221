#!/usr/bin/env python3
"""`mount -f` stays, logs to stderr, and SIGTERM unmounts and ends it with 0."""
# needs: own-mount
import os
import signal
import subprocess
import ontapfs_test as t

with t.own_sim() as sim:
    m = t.WORK + "/mnt"
    os.mkdir(m)
    for sig in (signal.SIGTERM, signal.SIGINT):
        with open(t.WORK + "/fg.log", "ab") as log:
            p = subprocess.Popen([t.ONTAPFS, "mount", "-f", sim.backend, m], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            t.wait_for(lambda: t.mounts_below(m) and os.path.isdir(m + "/project1"), "the mount", 20)
            t.write(m + "/project1/f", "x")
            p.send_signal(sig)
            t.eq(p.wait(20), 0, "exit status after %s" % sig.name)
            t.ok(not t.mounts_below(m), "unmounted")
        finally:
            if p.poll() is None:
                p.kill()
            t.force_unmount(m)
