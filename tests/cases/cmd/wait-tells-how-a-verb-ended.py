#!/usr/bin/env python3
"""`ontapfs wait` waits for verbs that were EINPROGRESS and exits by their result; `ontapfs jobs` shows them, to root only."""
# needs: own-mount
import errno
import json
import os
import ontapfs_test as t


def wait(*args):
    return t.run(t.ONTAPFS, "wait", *args, check=False)


def user(*cmd):
    return t.run("setpriv", "--reuid", str(t.A), "--regid", str(t.A), "--clear-groups", "--", *cmd, check=False)


with t.own_mount("verb_wait=0.2") as (sim, gw):
    snaps = gw.mnt + "/project1/.snapshots/"
    os.chmod(gw.mnt + "/project1", 0o777)
    os.mkdir(snaps + "base")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "1500")
    t.expect(errno.EINPROGRESS, t.run_as, t.A, t.A, os.mkdir, snaps + "run 1")
    jobs = json.loads(t.run(t.ONTAPFS, "jobs", "--json", gw.mnt).stdout)["jobs"]
    t.eq([(j["verb"], j["name"], j["volume"], j["uid"], j["percent"]) for j in jobs],
         [("snapshot.create", "run 1", "project1", t.A, None)], "jobs")
    t.ok(0 <= jobs[0]["age"] < 30, "age: %r" % jobs)
    table = t.run(t.ONTAPFS, "jobs", gw.mnt).stdout.splitlines()
    t.eq((len(table), table[0].split()), (2, ["AGE", "PERCENT", "VERB", "UID", "VOLUME", "NAME"]), "table")
    p = user(t.ONTAPFS, "jobs", gw.mnt)
    t.ok(p.returncode == 1 and "ontapfs wait" in p.stderr, "jobs are root's: " + p.stderr)
    p = wait("--timeout", "0", snaps + "run 1")
    t.ok(p.returncode == 1 and "still at work" in p.stderr, "--timeout: " + p.stderr)
    p = user(t.ONTAPFS, "wait", snaps + "run 1")
    t.eq((p.returncode, p.stdout), (0, snaps + "run 1: done\n"), "wait: " + p.stderr)
    t.ok(os.path.isdir(snaps + "run 1"), "it is there")
    t.eq(wait(snaps + "run 1").stdout, snaps + "run 1: done\n", "the result is kept for a while")
    # A verb that fails after its caller left: two jobs want one name.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "1500")
    u = t.volume_uuid("project1", sim.dir)
    t.rest("POST", "/storage/volumes/%s/snapshots" % u, {"name": "theirs"}, sim=sim.dir)
    t.expect(errno.EINPROGRESS, os.mkdir, snaps + "theirs")
    p = wait(snaps + "theirs")
    t.ok(p.returncode == 1 and "has that name" in p.stderr, "a verb that failed: %d %s" % (p.returncode, p.stderr))
    p = wait(snaps + "theirs")
    t.eq(p.returncode, 1, "its result is kept, too")
    t.expect(errno.EINPROGRESS, os.mkdir, gw.mnt + "/project1/.clones/exp")
    t.expect((0, errno.EINPROGRESS), os.mkdir, snaps + "two")
    p = wait(gw.mnt + "/project1/.clones/exp", snaps + "two")
    t.eq(p.returncode, 0, "two names: " + p.stderr)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "1500")
    t.eq(wait(snaps + "base").stdout, snaps + "base: nothing is at work on it\n", "a name without a verb")
    t.expect(errno.EINPROGRESS, os.rmdir, snaps + "base")
    u = t.rest_snapshots(sim=sim.dir)["base"]
    t.ok(u, "it is still there")
    t.eq(wait(snaps + "base").returncode, 0, "rmdir")
    t.wait_for(lambda: not os.path.lexists(snaps + "base"), "the name to go", 2)
    t.eq(t.read(gw.mnt + "/.ontap/jobs"), b"", "nothing is at work")
    t.eq(len(t.run(t.ONTAPFS, "jobs", gw.mnt).stdout.splitlines()), 0, "an empty table")
    for path, word in ((t.WORK + "/x", "no ontapfs mount"), (t.WORK + "/none/x", "No such file")):
        p = wait(path)
        t.ok(p.returncode == 1 and word in p.stderr, "%s: %d %s" % (path, p.returncode, p.stderr))
    p = t.run(t.ONTAPFS, "jobs", t.WORK, check=False)
    t.ok(p.returncode == 1 and "ontapfs status" in p.stderr, "jobs of no mount: " + p.stderr)
