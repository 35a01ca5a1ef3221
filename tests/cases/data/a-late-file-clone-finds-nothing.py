#!/usr/bin/env python3
"""When it is not known whether ONTAP clones a file, cp is told ETIMEDOUT, and the job that runs later fills no file: what was written there since stays."""
# needs: own-mount
# cells: copy-clone/live link-clone/live
# not-on: ganesha (it is about REST)
# time-limit: 120
import errno
import os
import ontapfs_test as t

SIZE = 17 << 20
DATA = b"data" * (SIZE // 4)


def state():
    jobs = t.rest("GET", "/cluster/jobs?fields=state,description", sim=sim.dir)[1]["records"]
    return [j["state"] for j in jobs if "file" in j.get("description", "").lower()]


def rest_is_there():
    t.errno_of(os.lstat, v + "/.snapshots/none")
    return t.json.loads(t.read(gw.mnt + "/.ontap/status.json"))["rest"]["ok"]


with t.own_mount("control_timeout=2") as (sim, gw):
    v, store = gw.mnt + "/project1", sim.path()
    t.write(v + "/big", DATA)
    os.mkdir(v + "/.snapshots/s")
    # ONTAP takes the job, and none of its answers arrives.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "stuck")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "POST", "lost")
    for form in ("cp", "ln"):
        to = v + "/" + form
        # While ONTAP is known to be away, no file clone is begun.
        t.wait_for(rest_is_there, "REST to be known as there", 20)
        if form == "cp":
            with open(v + "/big", "rb") as a, open(to, "wb") as b:
                t.expect(errno.ETIMEDOUT, os.copy_file_range, a.fileno(), b.fileno(), SIZE)
            t.eq(os.stat(to).st_size, 0, "size of the copy")
        else:
            t.expect(errno.ETIMEDOUT, os.link, v + "/.snapshots/s/big", to)
            t.expect(errno.ENOENT, os.lstat, to)
        t.eq(os.listdir(store + "/.ontapfs"), [], "private names left")
        t.write(to, b"mine" * (SIZE // 4))
    t.ok(state() and "running" in state(), "the jobs are to come: %r" % state())
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
    t.wait_for(lambda: set(state()) == {"failure"}, "the late jobs to find nothing: %r" % state(), 20)
    for form in ("cp", "ln"):
        t.ok(t.read(store + "/" + form) == b"mine" * (SIZE // 4), "what was written since: " + form)
