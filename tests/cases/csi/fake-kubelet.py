#!/usr/bin/python3
"""A fake kubelet registers the driver and publishes into pods without rights, while daemons are killed and upgraded."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# time-limit: 180
import ctypes
import errno
import os
import signal
import subprocess
import urllib.request
import csi_test as c
import ontapfs_test as t

UID = 1000
SCRIPT = """set -eu
test "$(id -u)" = 1000
grep -q '^CapEff:.0000000000000000$' /proc/self/status
test "$(echo /*)" = "/data /lib /lib64 /proc /run1 /usr /bin" || ls -d /* | sort | tr '\\n' ' '
echo epoch1 > data/log
ls data/.snapshots
mkdir data/.snapshots/from-pod
echo epoch2 > data/log
test "$(cat data/.snapshots/from-pod/log)" = epoch1
cd data/.clones && ln -s ../.snapshots/from-pod podclone && cd /
echo more >> data/.clones/podclone/log
test "$(cat data/.clones/podclone/log)" = "epoch1
more"
test "$(cat data/log)" = epoch2
if echo x > run1/new 2>/dev/null; then exit 8; fi
test "$(cat run1/log)" = epoch0
echo done
"""
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_SLAVE, MS_RDONLY, MS_REMOUNT = 0x1000, 0x4000, 0x80000, 1, 32


def check(r):
    if r < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


def mount(source, target, kind=None, flags=0):
    check(t.libc.mount(os.fsencode(source), os.fsencode(target), kind, flags, None))


class Pod:
    """A shell in its own mount and user name space, with what a container runtime shows it of
    kubelet's targets and nothing else, as uid 1000 without any capability."""

    def __init__(self, name, volumes):
        self.root = t.WORK + "/root-" + name
        self.volumes = volumes
        for d in ["usr", "proc", *volumes]:
            os.makedirs(self.root + "/" + d)
        for d in ("lib", "lib64", "bin"):
            os.symlink("usr/" + d, self.root + "/" + d)

    def enter(self):
        check(t.libc.unshare(CLONE_NEWNS))
        mount("none", "/", None, MS_REC | MS_SLAVE)
        mount("/usr", self.root + "/usr", None, MS_BIND)
        mount("/proc", self.root + "/proc", None, MS_BIND | MS_REC)
        for name, target in self.volumes.items():
            mount(target, self.root + "/" + name, None, MS_BIND | MS_REC)
        os.setgroups([])
        os.setresgid(UID, UID, UID)
        os.setresuid(UID, UID, UID)
        check(t.libc.prctl(4, 1, 0, 0, 0))  # PR_SET_DUMPABLE: /proc/self is ours again
        check(t.libc.unshare(CLONE_NEWUSER))
        t.write("/proc/self/setgroups", "deny", os.O_WRONLY)
        t.write("/proc/self/uid_map", "%d %d 1" % (UID, UID), os.O_WRONLY)
        t.write("/proc/self/gid_map", "%d %d 1" % (UID, UID), os.O_WRONLY)
        os.chroot(self.root)
        os.chdir("/")
        check(t.libc.prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS
        # _LINUX_CAPABILITY_VERSION_3 of this process, then no bit in any set.
        check(t.libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()))

    def shell(self, script):
        return subprocess.Popen(["/bin/sh", "-c", script], preexec_fn=self.enter, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, script, timeout=60):
        p = self.shell(script)
        out, _ = p.communicate(timeout=timeout)
        t.eq(p.returncode, 0, "in the pod: " + out)
        return out


def held(d, snapshot):
    """rmdir from a fresh process is refused: EBUSY, or what a daemon says in its first minute."""
    error = t.run("rmdir", snapshot, check=False).stderr
    return metric(d, "snapshots_held") == 1 and ("busy" in error or "not empty" in error)


def register(d):
    info = d.call("/pluginregistration.Registration/GetInfo", c.REG.InfoRequest(), c.REG.PluginInfo, d.reg)
    t.eq((info.type, info.name, info.endpoint), ("CSIPlugin", c.NAME, d.sock),
         "what kubelet is told")
    d.call("/pluginregistration.Registration/NotifyRegistrationStatus", c.REG.RegistrationStatus(plugin_registered=True),
           c.REG.RegistrationStatusResponse, d.reg)
    t.eq(d.csi("Node", "NodeGetInfo").node_id, "node1", "the node")


def metric(d, name):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % d.port(), timeout=10) as r:
        for line in r.read().decode().splitlines():
            if line.startswith("ontapfs_csi_" + name + " "):
                return float(line.split()[1])
    return None


POLICY = {"team-a": {"paths": ["project1"], "verbs": ["read", "write"]}}
with c.driver(POLICY) as (sim, gw, d):
    register(d)
    os.chmod(gw.mnt + "/project1", 0o777)
    t.write(gw.mnt + "/project1/log", "epoch0\n", mode=0o666)
    os.chmod(gw.mnt + "/project1/log", 0o666)
    os.mkdir(gw.mnt + "/project1/.snapshots/run1")
    data, run1 = d.target("pod-1"), d.target("pod-1", "run1")
    d.publish_inline("project1", data)
    d.publish_inline("project1/.snapshots/run1", run1)
    d.publish_inline("project1/.snapshots/run1", run1)  # again: the same
    t.eq((metric(d, "published"), metric(d, "snapshots_held"), metric(d, "registered")), (2, 1, 1), "metrics")

    pod = Pod("1", {"data": data, "run1": run1})
    t.eq(pod.run(SCRIPT).splitlines()[-1], "done", "the pod's work")
    t.eq(t.rest_volume("podclone", sim.dir)["clone"]["parent_volume"]["name"], "project1", "the pod's clone")
    snapshot = gw.mnt + "/project1/.snapshots/run1"
    t.ok(held(d, snapshot) and "busy" in t.run("rmdir", snapshot, check=False).stderr, "a published snapshot is held")

    # A program with an open file lives through a kill and an upgrade of the daemon, and the driver's.
    p = pod.shell("exec 3< run1/log; echo ready; read x; cat <&3; cat data/log; read x; cat data/log")
    t.eq(p.stdout.readline(), "ready\n", "a program in the pod")
    gw.replace_daemon()
    d.end(signal.SIGKILL)
    d.up()
    register(d)
    t.ok(held(d, snapshot), "the next driver holds it, too")
    p.stdin.write("go\n")
    p.stdin.flush()
    t.eq([p.stdout.readline() for _ in range(2)], ["epoch0\n", "epoch2\n"], "after the kill")
    t.run(t.ONTAPFS, "upgrade", gw.mnt)
    t.eq(p.communicate("go\n", timeout=30)[0], "epoch2\n", "after the upgrade")
    d.publish_inline("project1", data)  # kubelet asks again after its own restart
    t.eq(metric(d, "published"), 2, "no second mount")

    # The whole session is lost: the old mounts are dead until kubelet publishes again.
    holder = gw.process("ontapfs-hold")
    daemon = gw.process()
    os.kill(holder, signal.SIGKILL)
    os.kill(daemon, signal.SIGKILL)
    t.wait_for(lambda: t.errno_of(os.stat, data) == errno.ENOTCONN, "the dead mount", 30)
    t.libc.umount2(os.fsencode(gw.mnt), 2)
    text = c.refused("UNAVAILABLE", d.publish_inline, "project1", data)
    t.ok("no tree is mounted" in text, text)
    gw.up()
    d.publish_inline("project1", data)
    d.publish_inline("project1/.snapshots/run1", run1)
    t.eq(t.read(data + "/log"), b"epoch2\n", "repaired")
    t.eq(t.errno_of(t.write, run1 + "/log", "x"), errno.EROFS, "still read-only")
    t.ok(held(d, snapshot), "held again")
    t.eq(Pod("2", {"data": data}).run("cat data/log"), "epoch2\n", "another pod")

    for path in (data, run1, run1):
        d.unpublish("csi-0123456789abcdef", path)
        t.ok(not os.path.lexists(path), "the target is removed")
    t.eq((metric(d, "published"), metric(d, "snapshots_held")), (0, 0), "nothing is left")
    t.run("rmdir", snapshot)
    t.ok("run1" not in str(t.rest_snapshots(sim=sim.dir)), "the snapshot is deleted")
