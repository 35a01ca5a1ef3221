#!/usr/bin/env python3
"""A process that walked through a snapshot cannot remove it after kill -9 of the daemon either; ontap.arm overrides."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: rule-6.2-restart
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    vol = gw.mnt + "/project1"
    os.makedirs(vol + "/d/e")
    t.write(vol + "/d/e/f", "keep me")
    for name in ("walked", "tried"):
        os.mkdir(vol + "/.snapshots/" + name)

    def walk():
        os.listdir(vol + "/.snapshots/walked")
        os.listdir(vol + "/.snapshots/walked/d")

    def attempt():
        t.expect(errno.EROFS, os.unlink, vol + "/.snapshots/tried/d/e/f")

    def then_remove(look, name):
        """look() in a process of its own; the daemon is killed; the same process removes."""
        looked_r, looked_w = os.pipe()
        go_r, go_w = os.pipe()
        pid = os.fork()
        if pid == 0:
            r = 99
            try:
                os.close(go_w)
                look()
                os.write(looked_w, b".")
                os.read(go_r, 1)
                r = t.errno_of(os.rmdir, vol + "/.snapshots/" + name)
            finally:
                os._exit(r)
        for fd in (looked_w, go_r):
            os.close(fd)
        t.eq(os.read(looked_r, 1), b".", "looked")
        gw.replace_daemon()
        os.close(go_w)
        os.close(looked_r)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    for look, name in ((walk, "walked"), (attempt, "tried")):
        t.eq(t.name_of(then_remove(look, name)), "ENOTEMPTY", "rmdir by who has " + name)
        t.ok(name in t.rest_snapshots(sim=sim.dir), "the snapshot survives")
        t.eq(t.read(vol + "/.snapshots/" + name + "/d/e/f"), b"keep me", "its content")
    for look, name in ((walk, "walked"), (attempt, "tried")):
        look()
        os.setxattr(vol + "/.snapshots/" + name, "ontap.arm", name.encode())
        os.rmdir(vol + "/.snapshots/" + name)
    t.eq(t.rest_snapshots(sim=sim.dir), {}, "armed, they are deleted")
