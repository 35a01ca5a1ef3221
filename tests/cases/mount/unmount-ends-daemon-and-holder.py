#!/usr/bin/env python3
"""`ontapfs umount`, umount(8) and a lazy unmount all end every process of the mount; a busy mount is refused and stays."""
# needs: own-mount
import os
import subprocess
import ontapfs_test as t


def processes(g):
    return t.gateway_processes(g.mnt)


with t.own_sim() as sim:
    for name, cmd in (("a", [t.ONTAPFS, "umount"]), ("b", ["umount"]), ("c", ["umount", "-l"]), ("d", ["fusermount3", "-u"])):
        g = t.Gateway(sim.backend, t.WORK + "/" + name).up()
        t.ok(processes(g), "there are processes while it is mounted")
        t.write(g.mnt + "/project1/f", "x")
        t.run(*cmd, g.mnt)
        t.ok(not g.mounted(), "%s: unmounted" % cmd)
        if cmd[0] == t.ONTAPFS:
            t.eq(processes(g), [], "ontapfs umount returns when all have ended")
        t.wait_for(lambda g=g: not processes(g), "%s: processes to end" % cmd, 10)
        t.eq(os.listdir(g.mnt), [], "the mount point is empty again")
    g = t.Gateway(sim.backend, t.WORK + "/busy").up()
    fd = os.open(g.mnt + "/project1", os.O_RDONLY)
    p = t.run(t.ONTAPFS, "umount", g.mnt, check=False)
    t.ok(p.returncode != 0 and len(p.stderr.strip().splitlines()) == 1, "busy: %d %s" % (p.returncode, p.stderr))
    t.eq(t.read(g.mnt + "/project1/f"), b"x", "it goes on")
    os.close(fd)
    # Held for a moment only, as by whoever looks at all mounts: asked again.
    fd = os.open(g.mnt + "/project1", os.O_RDONLY)
    p = subprocess.Popen([t.ONTAPFS, "umount", g.mnt])
    t.wait_for(lambda: p.poll() is not None or b"poll" in t.read("/proc/%d/wchan" % p.pid), "it to find the mount busy", 10)
    os.close(fd)
    t.eq(p.wait(30), 0, "umount of a mount that was held for a moment")
    p = t.run(t.ONTAPFS, "umount", g.mnt, check=False)
    t.ok(p.returncode != 0 and len(p.stderr.strip().splitlines()) == 1, "not mounted: %d %s" % (p.returncode, p.stderr))
    # The same place again, right away, many times.
    for i in range(5):
        with t.Gateway(sim.backend, t.WORK + "/again") as g:
            t.eq(t.read(g.mnt + "/project1/f"), b"x", "round %d" % i)
