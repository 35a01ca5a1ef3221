#!/usr/bin/env python3
"""As ontapfs@.service runs it, with the unit's capabilities: it says when it is ready, works, is reloaded, ends; and it uses
no system call that the unit forbids."""
# needs: own-mount
# time-limit: 120
import os
import re
import shutil
import signal
import socket
import subprocess
import ontapfs_test as t

unit = t.read(t.TOP + "/packaging/systemd/ontapfs@.service.in").decode()


def setting(key):
    return re.search(r"^%s=(.*)$" % key, unit, re.M).group(1).split()


bounding = ",".join(["-all"] + ["+" + c.lower()[4:] for c in setting("CapabilityBoundingSet")])
# A sanitizer makes calls of its own, and does not work while traced.
trace = shutil.which("strace") and shutil.which("systemd-analyze") and not os.environ.get("ASAN_OPTIONS")
with t.own_sim() as sim:
    mnt, said = t.WORK + "/mnt", t.WORK + "/n"
    os.mkdir(mnt)
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(said)
    told.settimeout(60)
    log = t.WORK + "/log"
    before = ["strace", "-f", "-qq", "-o", t.WORK + "/calls", "-e", "signal=none"] if trace else []
    with open(log, "wb") as out:
        p = subprocess.Popen(
            before + ["setpriv", "--bounding-set", bounding, "--inh-caps", "-all", "--no-new-privs",
                      t.ONTAPFS, "mount", "--foreground", "-o", "rw", sim.backend, mnt],
            env=dict(os.environ, NOTIFY_SOCKET=said), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        t.eq(told.recv(100), b"READY=1", "what systemd is told")
        t.ok(os.path.ismount(mnt), "mounted when it says so")
        os.chmod(mnt + "/project1", 0o1777)
        t.run("setpriv", "--reuid", "10001", "--regid", "10001", "--groups", "10010", "sh", "-ec",
              "cd %s/project1; echo one >f; chmod 640 f; chgrp 10010 f; mkdir .snapshots/s; echo two >f" % mnt)
        t.eq(t.read(mnt + "/project1/.snapshots/s/f"), b"one\n", "in the snapshot")
        os.symlink("../.snapshots/s", mnt + "/project1/.clones/c")
        t.eq(t.read(mnt + "/project1/.clones/c/f"), b"one\n", "in the clone")
        t.run(t.ONTAPFS, "upgrade", mnt, timeout=60)
        t.eq(t.read(mnt + "/project1/f"), b"two\n", "after a reload")
        holder = p.pid
        if trace:
            with open("/proc/%d/task/%d/children" % (p.pid, p.pid), encoding="ascii") as f:
                holder = int(f.read().split()[0])
        os.kill(holder, signal.SIGTERM)
        t.eq(told.recv(100), b"STOPPING=1", "what systemd is told at the end")
        t.eq(p.wait(60), 0, "exit status")
        t.ok(not os.path.ismount(mnt), "unmounted")
    finally:
        if p.poll() is None:
            subprocess.run(["umount", "-l", mnt], check=False)
            p.kill()
            p.wait()
        print(t.read(log).decode(errors="replace"))

if not trace:
    t.skip("strace and systemd-analyze, and no sanitizer, are needed to compare the system calls")


def calls(group):
    """The system calls of a group, and of the groups in it."""
    text = t.run("systemd-analyze", "--no-pager", "syscall-filter", group).stdout
    return set(re.findall(r"^ +([a-z0-9_]+)$", text, re.M)).union(*map(calls, re.findall(r"^ +(@[a-z-]+)$", text, re.M)))


allowed = set().union(*map(calls, setting("SystemCallFilter")))
used = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", t.read(t.WORK + "/calls").decode(errors="replace"), re.M))
t.ok(len(used) > 20, "calls were seen")
t.eq(used - allowed, set(), "system calls that the unit forbids")
