#!/usr/bin/env python3
"""The daemon is killed at each step of a file clone: the copy is whole; with the caller killed, too, it is whole or not there; no private name stays, and the job of the first run finds nothing to write to."""
# needs: own-mount
# cells: takeover copy-clone/live link-clone/live
# not-on: ganesha (it is about REST)
# log-ok: killed by signal 9|died of signal 9
# time-limit: 180
import os
import subprocess
import ontapfs_test as t

SIZE = 17 << 20
DATA = b"data" * (SIZE // 4) + b"tail"


def file_jobs():
    jobs = t.rest("GET", "/cluster/jobs?fields=state,description,message", sim=sim.dir)[1]["records"]
    return [j for j in jobs if "file" in j.get("description", "").lower()]


def begin(form, name):
    cmd = (*t.CP, v + "/big", v + "/" + name) if form == "cp" else ("ln", v + "/.snapshots/s/big", v + "/" + name)
    return subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def left():
    return os.listdir(store + "/.ontapfs")


with t.proxied_mount() as (sim, gw, proxy):
    v, store = gw.mnt + "/project1", sim.path()
    t.write(v + "/big", DATA)
    os.mkdir(v + "/.snapshots/s")
    t.run(*t.CP, v + "/big", v + "/first")
    number = 0
    for form in ("cp", "ln"):
        # The answer to that call is held; the daemon that waits for it dies.
        for proc, skip in (("SETATTR", 0), ("LINK", 0), ("LINK", 1), ("REMOVE", 0), ("REMOVE", 1), ("CREATE", 0)):
            if form == "ln" and skip:
                continue
            for side in ("call", "reply"):
                for caller in (False, True) if side == "reply" else (False,):
                    what = "%s, killed at the %s of %s %d%s" % (form, side, proc, skip, ", with its caller" if caller else "")
                    name = "f%d" % number
                    number += 1
                    hits = proxy.seen("hits")
                    proxy.tell("on %s %s hold skip %d count 1" % (proc, side, skip))
                    p = begin(form, name)
                    proxy.wait("hits", hits + 1)
                    if caller:
                        p.kill()
                    gw.replace_daemon()
                    proxy.tell("clear")
                    out, err = p.communicate(timeout=40)
                    if caller:
                        # cp makes the file itself, empty; ln's is there when it is whole.
                        got = t.read(v + "/" + name) if os.path.exists(v + "/" + name) else None
                        t.ok(got in (None, DATA) or (form, got) == ("cp", b""), "neither whole nor absent: " + what)
                    else:
                        t.eq((p.returncode, out + err), (0, ""), what)
                        t.ok(t.read(v + "/" + name) == DATA, "bytes: " + what)
                    t.eq(left(), [], "private names left: " + what)

    # The job of the first run begins after the second run took its names away.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "2000")
    for form in ("cp", "ln"):
        before = len(file_jobs())
        p = begin(form, "late" + form)
        t.wait_for(lambda: b"file.clone" in t.read(gw.mnt + "/.ontap/jobs"), "the clone at work", 10)
        t.wait_for(lambda: len(file_jobs()) > before, "its job", 10)
        old = left()
        gw.replace_daemon()
        out, err = p.communicate(timeout=40)
        t.eq((p.returncode, out + err), (0, ""), "ended: " + form)
        t.ok(t.read(v + "/late" + form) == DATA, "bytes: " + form)
        t.eq((len(old), left()), (2 if form == "cp" else 1, []), "private names: " + form)
        t.wait_for(lambda: sorted(j["state"] for j in file_jobs()[before:]) == ["failure", "success"],
                   "the first job to find nothing: %r" % file_jobs()[before:], 10)

    # A daemon that has just taken over waits to learn whether ONTAP answers; then it is a clone as ever.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "0")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "delay", "1000", "8")
    before = len(file_jobs())
    gw.replace_daemon()
    t.run("ln", v + "/.snapshots/s/big", v + "/soon")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
    t.eq(len(file_jobs()) - before, 1, "file clones")
    t.ok(t.read(v + "/soon") == DATA, "bytes of the first one after a takeover")
