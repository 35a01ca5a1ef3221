#!/usr/bin/env python3
"""uid 0 of another user, pid or mount name space is no admin: another's snapshot and clone are not its."""
# needs: own-mount
# cells: admin
import errno
import os
import ontapfs_test as t

t.need("unshare")


def tool(ns, *cmd):
    """What a command says as uid 0 in a name space of its own: (exit status, words)."""
    p = t.run("unshare", *ns, *cmd, check=False)
    return p.returncode, p.stdout + p.stderr


with t.own_mount("verbs_per_minute=1000") as (sim, gw):
    os.chdir(gw.mnt)
    os.chmod("project1", 0o777)
    t.run_as(t.A, t.A, os.mkdir, "project1/.snapshots/a")
    t.run_as(t.A, t.A, os.mkdir, "project1/.clones/c")
    said = os.strerror(errno.EPERM)
    for ns in (("--user", "--map-root-user"), ("--mount",), ("--pid", "--fork")):
        for cmd in (("rmdir", "project1/.snapshots/a"), ("mv", "project1/.snapshots/a", "project1/.snapshots/b"),
                    ("rmdir", "project1/.clones/c")):
            status, words = tool(ns, *cmd)
            t.ok(status != 0 and said in words, "%r in %r: exit %d, %s" % (cmd, ns, status, words))
        status, words = tool(ns, "setfattr", "-n", "ontap.snapshot.comment", "-v", "x", "project1/.snapshots/a")
        t.ok(status != 0 and said in words, "comment in %r: exit %d, %s" % (ns, status, words))
        for name in ("config", "jobs"):
            status, words = tool(ns, "cat", ".ontap/" + name)
            t.ok(status != 0 and os.strerror(errno.EACCES) in words, "%s in %r: exit %d" % (name, ns, status))
    # Its own it may delete, like every user; and outside, root is the admin.
    t.eq(tool(("--user", "--map-root-user"), "sh", "-ec", "mkdir project1/.snapshots/own; rmdir project1/.snapshots/own"),
         (0, ""), "its own snapshot")
    t.run("setfattr", "-n", "ontap.arm", "-v", "c", "project1/.clones/c")
    t.run("rmdir", "project1/.clones/c")
    t.eq(tool(("--net",), "mv", "project1/.snapshots/a", "project1/.snapshots/b"), (0, ""), "root outside, rename")
    t.drop("project1/.snapshots/b")
    t.ok("b" not in t.rest_snapshots(sim=sim.dir), "the admin deleted it")
    os.chdir("/")
