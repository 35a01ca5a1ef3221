#!/usr/bin/env python3
"""`ontapfs restore` tells what would be lost, wants its number, takes the volume back, and nothing of before is seen any more."""
# needs: own-mount
# cells: rule-6.6
import errno
import json
import os
import ontapfs_test as t


def restore(*args, user=None):
    cmd = [t.ONTAPFS, "restore", *args]
    if user:
        cmd = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--", *cmd]
    return t.run(*cmd, check=False)


def refused(word, *args, **kw):
    p = restore(*args, **kw)
    t.ok(p.returncode == 1 and word in p.stdout + p.stderr, "%r: %d %s%s" % (args, p.returncode, p.stdout, p.stderr))
    t.eq(t.read(v + "/f"), b"now, and longer", "nothing was done")
    t.eq(sorted(t.rest_snapshots(sim=sim.dir)), ["base", "last", "later"], "snapshots")
    return p.stdout + p.stderr


audit = t.WORK + "/audit"
with t.own_mount("audit_log=" + audit, "verb_wait=1") as (sim, gw):
    v = gw.mnt + "/project1"
    os.chmod(v, 0o777)
    t.write(v + "/f", "then")
    t.write(v + "/same", "AAAA")
    os.mkdir(v + "/d")
    os.mkdir(v + "/.snapshots/base")
    stamp = os.stat(v + "/same")
    t.write(v + "/f", "now, and longer")
    t.write(v + "/same", "BBBB")
    os.utime(v + "/same", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    os.mkdir(v + "/.snapshots/later")
    os.rmdir(v + "/d")
    os.mkdir(v + "/.snapshots/last")
    t.eq((t.read(v + "/f"), t.read(v + "/same")), (b"now, and longer", b"BBBB"), "read before, so in the page cache")
    said = refused("--lose=2", v, "base")
    t.ok("later" in said and "last" in said and "ln -s ../.snapshots/base" in said, "what is lost, and the clone: " + said)
    refused("--lose=1", "--lose=1", v, "base")
    refused("no snapshot nothing", "--lose=2", v, "nothing")
    refused("not the directory of a volume", "--lose=2", v + "/f", "base")
    refused("not the directory of a volume", "--lose=2", v + "/.snapshots/base", "base")
    refused("only an admin", "--lose=2", v, "base", user=t.A)
    with open(v + "/f", "ab"):
        refused("open for writing", "--lose=2", v, "base")
    with open(v + "/f", "rb") as old:
        # What the daemon is told is checked by itself, whoever says it.
        u = t.rest_snapshots(sim=sim.dir)["base"]
        for value in ("lose=1 " + u, "lose=3 " + u, u, "lose= " + u, "lose=2 " + u[:-1], "lose=-2 " + u, "lose=2 x"):
            t.expect(errno.EINVAL, os.setxattr, v, "ontap.restore", value.encode())
        t.expect(errno.ENOENT, os.setxattr, v, "ontap.restore", b"lose=2 7a600190-18bb-4f7a-8dc3-303f58a6fba4")
        t.expect(errno.EPERM, os.setxattr, v + "/f", "ontap.restore", ("lose=2 " + u).encode())
        p = restore("--lose=2", v, "base")
        t.eq((p.returncode, p.stderr), (0, ""), "restore: " + p.stdout)
        t.expect(errno.ESTALE, os.pread, old.fileno(), 10, 0)
    t.eq((t.read(v + "/f"), t.read(v + "/same")), (b"then", b"AAAA"), "the old bytes, also with equal size and mtime")
    t.ok(os.path.isdir(v + "/d"), "what was removed is back")
    t.eq((os.listdir(v + "/.snapshots"), sorted(t.rest_snapshots(sim=sim.dir))), (["base"], ["base"]), "snapshots")
    t.eq(t.read(v + "/.snapshots/base/f"), b"then", "the snapshot itself")
    t.eq(os.path.lexists(v + "/.snapshots/last"), False, "a deleted one")
    t.write(v + "/f", "on it goes")
    t.eq(t.read(sim.path() + "/f"), b"on it goes", "and it is the volume that is written to")
    # One that takes longer than verb_wait.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "2500")
    p = restore("--lose=0", v, "base")
    t.eq((p.returncode, t.read(v + "/f")), (0, b"then"), "a slow one: " + p.stderr)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "0")
    # What is cached goes with it, before anybody looks the volume up again.
    root = os.open(v, os.O_RDONLY | os.O_DIRECTORY)
    with open(v + "/f", "rb") as old:
        t.eq(os.pread(old.fileno(), 4, 0), b"then", "its first page")
        os.setxattr(root, "ontap.restore", ("lose=0 " + u).encode())
        t.wait_for(lambda: t.errno_of(os.pread, old.fileno(), 4, 0) == errno.ESTALE, "the page to go", 30)
    os.close(root)
    # A clone as well; refused while what would be deleted has one.
    os.mkdir(v + "/.snapshots/busy")
    os.symlink("../.snapshots/busy", v + "/.clones/exp")
    p = restore("--lose=1", v, "base")
    t.ok(p.returncode == 1 and "in use" in p.stderr, "newer snapshots with clones: " + p.stderr)
    c = gw.mnt + "/exp"
    os.mkdir(c + "/.snapshots/own")
    t.write(c + "/f", "of the clone")
    p = restore("--lose=0", c, "own")
    t.eq((p.returncode, t.read(c + "/f"), t.read(v + "/f")), (0, b"then", b"then"), "a clone: " + p.stderr)
    t.eq(os.listdir(v + "/.clones"), ["exp"], "it is where it was")
    records = [r for r in t.audit_records(audit) if r["verb"] == "volume.restore"]
    t.ok({"ok", "EACCES", "EBUSY", "EINVAL"} <= {r["result"] for r in records}, "audit: %s" % json.dumps(records))
