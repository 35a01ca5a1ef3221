#!/usr/bin/env python3
"""Whose process the daemon cannot see (pid 0, or a /proc of other pids) has uid and primary group, no other group, and is no admin; who comes from another user name space is who it is outside: live, in a snapshot and in a clone."""
# needs: own-mount
# cells: admin
import contextlib
import errno
import os
import subprocess
import ontapfs_test as t

t.need("unshare")


@contextlib.contextmanager
def mount_in_pid_namespace(sim, name, own_proc):
    """A mount whose daemon lives in a pid name space of its own; meanwhile its root is the working directory."""
    g = t.Gateway(sim.backend, t.WORK + "/" + name)
    os.makedirs(g.mnt)
    script = '"$1" mount --log "$2.log" "$3" "$2" && echo ready && read x; "$1" umount "$2"'
    p = subprocess.Popen(["unshare", "--pid", "--fork", "--mount", *(["--mount-proc"] if own_proc else []),
                          "sh", "-c", script, "sh", t.ONTAPFS, g.mnt, sim.backend],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        t.eq(p.stdout.readline(), b"ready\n", "the mount: " + t.tail(g.log))
        with open("/proc/%d/task/%d/children" % (p.pid, p.pid), encoding="ascii") as f:
            inside = int(f.read().split()[0])
        # Only root gets in by /proc; it takes the others along.
        os.chdir("/proc/%d/root%s" % (inside, g.mnt))
        yield g
    finally:
        os.chdir("/")
        p.stdin.close()
        p.wait(60)
        p.stdout.close()


def trees(top):
    return [top + where for where in ("/project1/", "/project1/.snapshots/s/", "/c/")]


def by_a():
    os.mkdir("d", 0o755)
    for n, mode in (("own", 0o600), ("team", 0o640), ("all", 0o644)):
        t.write("d/" + n, n, mode=mode)


with t.own_sim() as sim:
    with t.Gateway(sim.backend, t.WORK + "/plain") as gw:
        os.chmod(gw.mnt + "/project1", 0o777)
        os.chdir(gw.mnt + "/project1")
        t.run_as(t.A, t.A, by_a)
        os.chown("d/team", t.A, t.TEAM)
        os.chdir("/")
        t.run_as(t.A, t.A, os.mkdir, gw.mnt + "/project1/.snapshots/s")
        os.symlink("project1@s", gw.mnt + "/c")
        for top in trees(gw.mnt):
            t.eq(t.run_as(t.B, t.B, t.read, top + "d/team", groups=(t.TEAM,)), b"team", "B of the team, seen")

        # Root of a user name space is whom it is mapped to; a group that it cannot have outside gives nothing.
        for top in trees(gw.mnt):
            for uid, name, want in ((t.A, "own", 0), (t.A, "all", 0), (t.B, "own", errno.EACCES),
                                    (t.B, "team", errno.EACCES), (t.B, "all", 0)):
                p = subprocess.run(["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups", "unshare", "--user",
                                    "--map-root-user", "cat", top + "d/" + name], capture_output=True, check=False)
                said = os.strerror(want).encode() if want else b""
                t.ok((p.returncode == 0) == (want == 0) and said in p.stderr, "root that is uid %d reads %s%s: %r" % (
                    uid, top, name, p.stderr))
        p = subprocess.run(["setpriv", "--reuid=%d" % t.B, "--regid=%d" % t.B, "--clear-groups", "unshare", "--user",
                            "--map-root-user", "chmod", "777", gw.mnt + "/project1/d/all"], capture_output=True, check=False)
        t.ok(os.strerror(errno.EPERM).encode() in p.stderr, "chmod by root that is B: %r" % p.stderr)

    for name, own_proc in (("ownproc", True), ("otherproc", False)):
        with mount_in_pid_namespace(sim, name, own_proc) as gw:
            for top in trees("."):
                what = "%s, %s" % (name, top)
                t.eq(t.run_as(t.A, t.A, t.read, top + "d/own"), b"own", what + ": by uid")
                t.eq(t.run_as(t.B, t.TEAM, t.read, top + "d/team"), b"team", what + ": by primary group")
                t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, top + "d/own")
                t.expect(errno.EACCES, t.run_as, t.C, t.C, t.read, top + "d/team")
                t.eq(t.run_as(t.C, t.C, t.read, top + "d/all"), b"all", what + ": what all may read")
            snaps = "project1/.snapshots/"
            t.expect(errno.EPERM, os.rmdir, snaps + "s")
            t.expect(errno.EPERM, os.rename, snaps + "s", snaps + "other")
            t.expect(errno.EACCES, t.read, ".ontap/config")
            # Nobody knows whether it walked: rule 6.2.
            t.run_as(t.B, t.B, os.mkdir, snaps + "mine")
            t.expect(errno.ENOTEMPTY, t.run_as, t.B, t.B, os.rmdir, snaps + "mine")
            t.run_as(t.B, t.B, os.setxattr, snaps + "mine", "ontap.arm", b"mine")
            t.run_as(t.B, t.B, os.rmdir, snaps + "mine")
            if not own_proc:
                t.ok("/proc" in t.read(gw.log).decode(), "the log tells it")
