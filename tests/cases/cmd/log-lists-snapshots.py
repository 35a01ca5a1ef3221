#!/usr/bin/env python3
"""`ontapfs log` lists the snapshots of a volume: by a mount without a login, and the same by a configuration; --mine, --older, --json."""
# needs: own-mount
import json
import os
import ontapfs_test as t


def log(*args, check=True, user=None):
    cmd = [t.ONTAPFS, "log", *args]
    if user:
        cmd = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--", *cmd]
    return t.run(*cmd, check=check)


def names(*args, **kw):
    return [s["name"] for s in json.loads(log("--json", *args, **kw).stdout)["snapshots"]]


with t.own_mount() as (sim, gw):
    v = gw.mnt + "/project1"
    os.chmod(v, 0o777)
    os.mkdir(v + "/.snapshots/first")
    t.run_as(t.A, t.A, os.mkdir, v + "/.snapshots/of a")
    t.rest_snapshot_create("hourly.0", sim=sim.dir)
    os.setxattr(v + "/.snapshots/first", "ontap.snapshot.comment", b"good \"one\"")
    os.symlink("../.snapshots/first", v + "/.clones/exp1")
    mounted = json.loads(log("--json", v).stdout)["snapshots"]
    t.eq([s["name"] for s in mounted], ["first", "of a", "hourly.0"], "oldest first")
    first, of_a, hourly = mounted
    t.eq((first["creator"], first["clones"], first["comment"]), ("root", "exp1", 'good "one"'), "first")
    t.eq(first["uuid"], t.rest_snapshots(sim=sim.dir)["first"], "uuid")
    t.ok(of_a["creator"].startswith(str(t.A)), "of a: %r" % of_a)
    t.eq((hourly["creator"], hourly["clones"]), (None, None), "what others made")
    t.ok(first["time"].endswith("Z") and isinstance(first["size"], int), "time and size: %r" % first)
    t.eq(json.loads(log("--json", sim.backend, "project1").stdout)["snapshots"], mounted, "by the configuration")
    t.eq(names(v, user=t.A), ["first", "of a", "hourly.0"], "an ordinary user needs no login")
    t.eq(names("--mine", v, user=t.A), ["of a"], "--mine of A")
    t.eq(names("--mine", v), ["first"], "--mine of root")
    t.eq(names("--mine", sim.backend, "project1"), ["first"], "--mine by the configuration")
    t.eq((names("--older", "1h", v), names("--older", "1s", v + "/.snapshots/first")[:0]), ([], []), "--older")
    t.wait_for(lambda: names("--older", "1s", v) == ["first", "of a", "hourly.0"], "the age of a second", 10)
    table = log(v).stdout.splitlines()
    t.eq((len(table), table[0].split()), (4, ["NAME", "TIME", "SIZE", "CREATOR", "CLONES", "COMMENT"]), "table")
    t.ok("\033" not in log(v).stdout, "no colours where there is no terminal")
    # More than one attribute value can hold.
    for i in range(0, 150):
        p = v + "/.snapshots/bulk%03d" % i
        os.mkdir(p)
        os.setxattr(p, "ontap.snapshot.comment", b"%03d " % i + b"\x01" * 800)
    many = json.loads(log("--json", v).stdout)["snapshots"]
    t.eq([s["name"] for s in many][3:], ["bulk%03d" % i for i in range(150)], "several pages, none lost or doubled")
    for args, word in (((t.WORK,), "CONFIG"), ((sim.backend, "nobody"), "nobody"), (("--older", "soon", v), "30d"),
                       ((t.WORK + "/none",), "No such file")):
        p = log(*args, check=False)
        t.ok(p.returncode == 1 and word in p.stderr, "%r: %d %s" % (args, p.returncode, p.stderr))
