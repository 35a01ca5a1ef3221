#!/usr/bin/env python3
"""The daemon is killed while it starts a split, a transfer, a new size: each is done and told so, also where it ended before the successor looked."""
# needs: own-mount
# cells: takeover split/live
# log-ok: killed by signal 9|died of signal 9
# time-limit: 120
import os
import subprocess
import ontapfs_test as t

ALLOW = "allow=snapshot.create+clone.create+volume.resize+snapmirror.update"


def set_and_kill(sim, gw, path, name, value, hold, uid=0):
    """ONTAP is at work on it when the daemon dies, and ends before or while the next one asks."""
    t.run(t.ONTAPSIM, "ctl", sim.dir, *hold)
    p = subprocess.Popen(["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups",
                          "setfattr", "-n", name, "-v", value, path],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    t.wait_for(lambda: t.read(gw.mnt + "/.ontap/jobs"), "the verb of %s" % name)
    t.kill_daemon(gw.process())
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
    err = p.communicate(timeout=30)[1]
    t.eq((p.returncode, err), (0, ""), "setfattr %s of %s by %d" % (name, path, uid))


STUCK = ("job", "stuck")
with t.own_mount(ALLOW) as (sim, gw):
    os.chmod(gw.mnt + "/project1", 0o777)
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    for n, uid in enumerate((0, t.A, t.A)):
        t.run("setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups",
              "ln", "-s", "project1/.snapshots/s", "%s/c%d" % (gw.mnt, n))
        set_and_kill(sim, gw, "%s/project1/.clones/c%d" % (gw.mnt, n), "ontap.clone.split", "1", STUCK, uid)
        t.wait_for(lambda n=n: not t.rest_volume("c%d" % n, sim.dir)["clone"]["is_flexclone"], "the split of c%d" % n)
    set_and_kill(sim, gw, gw.mnt + "/project1", "ontap.volume.size", "12G", STUCK)
    t.eq(t.rest_volume("project1", sim.dir)["size"], 12 << 30, "the size, said twice")

with t.own_sim(name="sim2") as sim:
    t.rest_mirror(sim=sim.dir)
    with t.Gateway(sim.backend, t.WORK + "/mnt2", ALLOW) as gw:
        t.write(sim.path("project1") + "/f", "new")
        set_and_kill(sim, gw, gw.mnt + "/copy", "ontap.snapmirror.update", "1", ("fault", "rest", "POST", "delay", "1500"))
        t.wait_for(lambda: os.path.exists(gw.mnt + "/copy/f"), "the new content")
        t.eq(t.read(gw.mnt + "/copy/f"), b"new", "the new content")
