#!/usr/bin/python3
"""A fake kubelet registers the driver and publishes into pods without rights, while daemons are killed and upgraded.

The tree is mounted, and its program replaced, by the scripts that stand in the chart."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# time-limit: 180
import ctypes
import errno
import json
import os
import re
import signal
import subprocess
import textwrap
import urllib.error
import urllib.request
import csi_test as c
import ontapfs_test as t

UID = 1000
SCRIPT = """set -eu
test "$(id -u)" = 1000
grep -q '^CapEff:.0000000000000000$' /proc/self/status
test "$(echo /*)" = "/bin /data /lib /lib64 /proc /run1 /usr"
x() {
	echo "\$ $1"
	eval "$1"
}
x 'id -u; grep CapEff /proc/self/status; echo /*'
x 'echo epoch1 > data/log'
x 'ls data/.snapshots'
x 'mkdir data/.snapshots/from-pod'
x 'echo epoch2 > data/log'
x 'cat data/.snapshots/from-pod/log'
test "$(cat data/.snapshots/from-pod/log)" = epoch1
x 'cd data/.clones; ln -s ../.snapshots/from-pod podclone; cd /'
x 'echo more >> data/.clones/podclone/log'
x 'cat data/.clones/podclone/log'
test "$(cat data/.clones/podclone/log)" = "epoch1
more"
x 'cat data/log'
test "$(cat data/log)" = epoch2
x '! touch run1/new'
x 'cat run1/log'
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


def note(text):
    """A line of the transcript."""
    print("kubelet: " + text, flush=True)


class Node:
    """What the DaemonSets of the chart run on a node, in DIR instead of /var/lib/ontapfs."""

    def __init__(self, backend):
        self.dir, self.backend = t.WORK + "/node", backend
        self.mnt, self.log = self.dir + "/tree", t.WORK + "/holder.log"
        os.mkdir(self.dir)
        self.holder = None
        self.gw = t.Gateway(backend, self.mnt)  # for its processes
        self.env = dict(os.environ, ONTAPFS_RUN_DIR=self.dir + "/run", PATH=t.BUILD + ":" + os.environ["PATH"],
                        ONTAPFS_HOLD=t.BUILD + "/ontapfs-hold")

    def script(self, template, container, program=t.ONTAPFS):
        text = t.read(t.TOP + "/packaging/kubernetes/chart/templates/%s.yaml" % template).decode()
        block = re.search(r"- name: %s\n.*?command: \[sh, -euc\]\n +args:\n +- \|\n((?: {14}[^\n]*\n)+)" % container, text, re.S).group(1)
        for old, new in (("{{ .Values.hostDir }}", self.dir), ("/etc/ontapfs/backend.json", self.backend),
                         ("/usr/bin/ontapfs", program)):
            block = block.replace(old, new)
        return textwrap.dedent(block)

    def up(self):
        """The holder's container: comes back when the tree answers."""
        with open(self.log, "ab") as log:
            self.holder = subprocess.Popen(["sh", "-euc", self.script("holder", "holder")], env=self.env,
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        t.wait_for(lambda: self.holder.poll() is not None or
                   subprocess.run([t.ONTAPFS, "status", self.mnt], env=self.env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode == 0, "the holder is ready", 60)
        t.ok(self.holder.poll() is None, "the holder lives: " + t.tail(self.log))

    def rollout(self, program=t.ONTAPFS):
        """The init container of the driver's pod, with the program of its image; what it said."""
        p = t.run("sh", "-euc", self.script("node", "program", program), env=self.env, timeout=60)
        return p.stdout + p.stderr

    def daemon_program(self):
        return os.readlink("/proc/%d/exe" % self.gw.process())

    def kill(self):
        """As the kernel does when a container has used up its memory."""
        daemon = self.gw.process()
        self.holder.kill()
        os.kill(daemon, signal.SIGKILL)
        self.holder.wait()

    def down(self):
        if self.holder and self.holder.poll() is None:
            self.holder.terminate()
            self.holder.wait(60)


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


def http(d, path):
    """Status and text of what the driver tells at its port."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (d.port(), path), timeout=10) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def metric(d, name):
    for line in http(d, "/metrics")[1].splitlines():
        if line.startswith("ontapfs_csi_" + name + " "):
            return float(line.split()[1])
    return None


POLICY = {"team-a": {"paths": ["project1"], "verbs": ["read", "write"]}}
with t.own_sim() as sim:
    node = Node(sim.backend)
    t.write(t.WORK + "/policy.json", json.dumps({"namespaces": POLICY}))
    d = c.Driver(None, node.mnt, "--policy=" + t.WORK + "/policy.json")
    try:
        # A fresh node: neither directory nor tree is there, and the driver's pod comes first.
        t.ok("no tree is mounted yet" in node.rollout(), "the program is put there")
        d.up()
        register(d)
        data, run1 = d.target("pod-1"), d.target("pod-1", "run1")
        t.ok("no tree is mounted" in c.refused("UNAVAILABLE", d.publish_inline, "project1", data), "kubelet has to wait")
        t.eq((http(d, "/healthz")[0], http(d, "/readyz")[0]), (200, 503), "alive, not ready")
        note("registered; node1 has no tree yet: NodePublishVolume is UNAVAILABLE, /healthz 200, /readyz 503")
        node.up()
        t.eq(http(d, "/readyz")[0], 200, "ready")

        os.chmod(node.mnt + "/project1", 0o777)
        t.write(node.mnt + "/project1/log", "epoch0\n", mode=0o666)
        os.chmod(node.mnt + "/project1/log", 0o666)
        os.mkdir(node.mnt + "/project1/.snapshots/run1")
        d.publish_inline("project1", data)
        d.publish_inline("project1/.snapshots/run1", run1)
        d.publish_inline("project1/.snapshots/run1", run1)  # again: the same
        t.eq((metric(d, "published"), metric(d, "snapshots_held"), metric(d, "registered")), (2, 1, 1), "metrics")
        for m in t.read("/proc/self/mountinfo").decode().splitlines():
            if " " + d.kubelet + "/" in m:
                f = m.split()
                note("published %s at %s, %s" % (f[3], f[4].replace(t.WORK, ""), f[5]))
                t.ok({"nosuid", "nodev", "ro" if f[4] == run1 else "rw"} <= set(f[5].split(",")), m)

        pod = Pod("1", {"data": data, "run1": run1})
        out = pod.run(SCRIPT)
        t.eq(out.splitlines()[-1], "done", "the pod's work")
        for line in out.splitlines():
            print("pod-1:   " + line)
        t.eq(t.rest_volume("podclone", sim.dir)["clone"]["parent_volume"]["name"], "project1", "the pod's clone")
        snapshot = node.mnt + "/project1/.snapshots/run1"
        error = t.run("rmdir", snapshot, check=False).stderr
        t.ok(held(d, snapshot) and "busy" in error, "a published snapshot is held")
        note(error.strip().replace(t.WORK, ""))

        # A program with an open file lives through a kill and an upgrade of the daemon, and the driver's.
        p = pod.shell("exec 3< run1/log; echo ready; read x; cat <&3; cat data/log; read x; cat data/log")
        t.eq(p.stdout.readline(), "ready\n", "a program in the pod")
        old = node.gw.process()
        node.gw.replace_daemon()
        d.end(signal.SIGKILL)
        d.up()
        register(d)
        t.ok(held(d, snapshot), "the next driver holds it, too")
        p.stdin.write("go\n")
        p.stdin.flush()
        t.eq([p.stdout.readline() for _ in range(2)], ["epoch0\n", "epoch2\n"], "after the kill")
        note("daemon %d and driver killed -9: daemon %d; the pod's open file reads on" % (old, node.gw.process()))
        # A rollout of the driver brings the program of its image. One that cannot run takes nothing over.
        said = node.rollout("/bin/false")
        t.ok("is not upgraded" in said, said)
        note("rollout with a program that does not run: " + said.strip().split(": ", 2)[2])
        said = node.rollout()
        t.ok("took over from" in said, said)
        t.eq(node.daemon_program(), node.dir + "/bin/ontapfs", "the daemon is of the program that was brought")
        t.eq(p.communicate("go\n", timeout=30)[0], "epoch2\n", "after the upgrade")
        note("rollout of the driver: " + said.strip().split(": ", 1)[1])
        d.publish_inline("project1", data)  # kubelet asks again after its own restart
        t.eq(metric(d, "published"), 2, "no second mount")

        # The holder's container is killed: the old mounts are dead until kubelet publishes again. A driver that
        # starts meanwhile starts all the same.
        node.kill()
        t.wait_for(lambda: t.errno_of(os.stat, data) == errno.ENOTCONN, "the dead mount", 30)
        d.end(signal.SIGKILL)
        d.up()
        text = c.refused("UNAVAILABLE", d.publish_inline, "project1", data)
        note("holder and daemon killed -9: publishing again is UNAVAILABLE: %s" % text.replace(t.WORK, ""))
        node.up()
        t.ok(b"whose daemon is gone was taken away" in t.read(node.log), "the dead mount is taken away")
        d.publish_inline("project1", data)
        d.publish_inline("project1/.snapshots/run1", run1)
        t.eq(t.read(data + "/log"), b"epoch2\n", "repaired")
        t.eq(t.errno_of(t.write, run1 + "/log", "x"), errno.EROFS, "still read-only")
        t.ok(held(d, snapshot), "held again")
        t.eq(Pod("2", {"data": data}).run("cat data/log"), "epoch2\n", "another pod")
        note("the holder is back; published again: the stale targets are repaired, a new pod reads epoch2")

        for path in (data, run1, run1):
            d.unpublish("csi-0123456789abcdef", path)
            t.ok(not os.path.lexists(path), "the target is removed")
        t.eq((metric(d, "published"), metric(d, "snapshots_held")), (0, 0), "nothing is left")
        t.run("rmdir", snapshot)
        t.ok("run1" not in str(t.rest_snapshots(sim=sim.dir)), "the snapshot is deleted")
        note("unpublished; the snapshot can be deleted now")
    finally:
        if d.child and d.child.poll() is None:
            d.end()
        t.force_unmount(d.kubelet)
        node.down()
        t.force_unmount(node.dir)
        print(t.tail(node.log))
