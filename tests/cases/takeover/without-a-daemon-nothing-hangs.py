#!/usr/bin/env python3
"""No daemon comes back within `grace`: all requests, those under way too, get EIO; a later daemon goes on without a remount."""
# needs: own-mount
# time-limit: 120
# log-ok: killed by signal 9|died of signal 9
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import ontapfs_test as t

READ = """import os, sys
try:
    os.read(os.open(sys.argv[1], os.O_RDONLY), 10)
except OSError as e:
    sys.exit(e.errno)"""


def socket_of(mnt):
    """Where mountd/hold.h has it: the last part of the path, and FNV-1a of all of it."""
    h = 0xcbf29ce484222325
    for b in os.fsencode(mnt):
        h = (h ^ b) * 0x100000001b3 % (1 << 64)
    return "%s/%s-%016x.sock" % (os.environ.get("ONTAPFS_RUN_DIR", "/run/ontapfs"), os.path.basename(mnt), h)


def answer(path):
    """What the holder says, "" nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(10)
        try:
            s.connect(path)
            s.send(b"status")
            return s.recv(8192).decode()
        except ConnectionError:
            return ""


def state(gw):
    out = t.run(t.ONTAPFS, "status", gw.mnt, check=False, timeout=30).stdout
    return next((w for w in ("ready", "fallback", "restarting", "takeover") if w in out.split()), out)


def ends(gw):
    """The daemon dies, and none of those that follow can read its configuration."""
    os.rename(config, config + ".away")
    os.kill(gw.process(), signal.SIGKILL)
    t.wait_for(lambda: state(gw) == "fallback", "the fallback", 30)
    os.rename(config + ".away", config)


with t.own_sim() as sim:
    config = t.WORK + "/backend.json"
    shutil.copy2(sim.backend, config)
    gw = t.Gateway(config, t.WORK + "/mnt", "grace=2s").up()
    try:
        vol = gw.mnt + "/project1"
        t.write(vol + "/f", "held")
        t.write(sim.path() + "/unread", "x" * 100)
        held = os.open(vol + "/f", os.O_RDWR)
        holder = gw.process("ontapfs-hold")
        with sim.silent("nfs"):
            # One whose answer is out, in the journal.
            reader = subprocess.Popen([sys.executable, "-c", READ, vol + "/unread"])
            t.pause(0.3)
            t.eq(reader.poll(), None, "the reader waits")
            ends(gw)
            t.eq(reader.wait(30), errno.EIO, "its answer")
        for what in (lambda: os.pread(held, 4, 0), lambda: os.stat(vol + "/new"), lambda: os.mkdir(vol + "/d"),
                     lambda: os.pwrite(held, b"x", 0)):
            t.expect(errno.EIO, what)
        p = t.run(t.ONTAPFS, "status", gw.mnt, check=False)
        t.eq(p.returncode, 1, "exit status of `status`")
        t.ok("backend.json" in p.stdout, "the reason: " + p.stdout)
        # Not at once each time: after 50, 100, 200, ... ms.
        log = t.read(gw.log).decode()
        t.ok(2 <= log.count("cannot read") <= 12, "attempts within two seconds:\n" + log)

        # The holder talks to root, whatever the modes of its socket say.
        path = socket_of(gw.mnt)
        os.chmod(path, 0o777)
        t.ok(("holder %d\n" % holder) in answer(path), "what root gets")
        t.eq(t.run_as(t.A, t.A, answer, path), "", "what another user gets")

        # Another daemon, the same mount.
        p = t.run(t.ONTAPFS, "upgrade", gw.mnt, timeout=60)
        t.ok(" took over, requests waited " in p.stdout, p.stdout)
        t.eq(gw.process("ontapfs-hold"), holder, "the holder")
        t.eq(os.pread(held, 4, 0), b"held", "the open file")
        t.write(vol + "/new", "x")
        t.eq(t.read(sim.path() + "/new"), b"x", "a new file")

        # And by SIGHUP to the holder; then the end, with a file open.
        ends(gw)
        t.expect(errno.EIO, os.stat, vol + "/new2")
        os.kill(holder, signal.SIGHUP)
        t.wait_for(lambda: state(gw) == "ready", "a daemon again", 30)
        t.eq(os.pread(held, 4, 0), b"held", "the open file")
        os.close(held)
        ends(gw)
        t.run("umount", "-l", gw.mnt, timeout=30)
        t.wait_for(lambda: not t.gateway_processes(gw.mnt), "the holder's end", 20)
    finally:
        gw.destroy()
