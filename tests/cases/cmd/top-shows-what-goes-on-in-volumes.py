#!/usr/bin/env python3
"""`ontapfs top`: sums and rates by volume, as table and JSON; on a terminal it follows the window's size, and gives the
terminal back on q, on a signal, and when the mount is gone."""
# needs: own-mount
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import ontapfs_test as t

MIB = 1 << 20
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


def top(*args):
    return t.run(t.ONTAPFS, "top", *args, gw.mnt).stdout


def sums():
    return {v["volume"]: v for v in json.loads(top("--total", "--json"))["volumes"]}


class Terminal:
    """`ontapfs top` on one of 80 columns and `rows` lines; `said` is all that it wrote."""

    def __init__(self, rows):
        self.master, self.slave = pty.openpty()
        self.said = b""
        self.resize(rows)
        self.was = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen([t.ONTAPFS, "top", "--interval", "1", gw.mnt], stdin=self.slave, stdout=self.slave,
                                      stderr=self.slave, start_new_session=True, env=dict(os.environ, TERM="xterm"),
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.said += os.read(self.master, 65536)
        return self.said

    def screens(self):
        return [s.decode().replace("\r", "").splitlines() for s in self.read().split(b"\x1b[H\x1b[2J")[1:]]

    def end(self, how):
        t.wait_for(lambda: self.read() is not None and self.child.poll() is not None, how + ": it ends", 20)
        t.eq((self.said.count(ENTER), self.said.rstrip().count(LEAVE)), (1, 1), how + ": the screen as it was")
        t.eq(termios.tcgetattr(self.slave), self.was, how + ": the terminal as it was")
        os.close(self.master)
        os.close(self.slave)
        return self.child.returncode


@contextlib.contextmanager
def terminal(rows=24):
    x = Terminal(rows)
    try:
        t.wait_for(lambda: len(x.screens()) > 0 and "VOLUME" in x.said.decode(), "the first screen", 20)
        yield x
    finally:
        if x.child.poll() is None:
            x.child.kill()
            x.child.wait()


with t.own_mount() as (sim, gw):
    t.write(gw.mnt + "/project1/f", os.urandom(3 * MIB))
    t.write(sim.path("imagenet") + "/g", b"x" * MIB)
    before = sums()
    t.eq(t.read(gw.mnt + "/imagenet/g"), b"x" * MIB, "read")
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
    t.eq(len(t.read(gw.mnt + "/project1/.snapshots/s/f")), 3 * MIB, "a snapshot's file")
    after = sums()
    t.eq((after["project1"]["written_bytes"], after["imagenet"]["read_bytes"] - before.get("imagenet", {}).get("read_bytes", 0)),
         (3 * MIB, MIB), "bytes, each at its volume")
    t.eq(after["project1"]["read_bytes"] - before["project1"]["read_bytes"], 3 * MIB, "a snapshot counts for its volume")
    t.ok(after["imagenet"]["requests"] > before.get("imagenet", {}).get("requests", 0), "requests")
    t.ok(all(v["latency_ms"] > 0 and 0 <= v["hit_percent"] <= 100 for v in after.values()), "means: %s" % after)
    t.eq(t.errno_of(os.rmdir, gw.mnt + "/imagenet/g"), 20, "no directory")
    # A name that is read twice in a row from the listing of a snapshot costs no call.
    hits = "ontapfs_volume_cache_%s_total"
    begin = t.stats(gw.mnt)
    os.listdir(gw.mnt + "/project1/.snapshots/s")
    os.stat(gw.mnt + "/project1/.snapshots/s/f")
    end = t.stats(gw.mnt)
    for what in ("hits", "misses"):
        t.ok(t.counter(end, hits % what, volume="project1") >= t.counter(begin, hits % what, volume="project1"), what)
    t.ok(t.counter(end, hits % "misses", volume="project1") > 0, "some were asked of the server")

    # Rates: somebody writes all the while.
    loop = "while :; do dd if=/dev/zero of=%s/project1/w bs=256k count=4 conv=notrunc status=none; done" % gw.mnt
    busy = subprocess.Popen(["bash", "-c", loop], start_new_session=True)
    try:
        table = top("--once", "--interval", "1").splitlines()
        t.eq(table[0].split(), ["VOLUME", "READ/S", "WRITE/S", "OPS/S", "ERRORS/S", "MS", "HITS%"], "table")
        t.eq(table[1].split()[0], "project1", "the busiest is first: %s" % table)
        t.ok("\x1b" not in "\n".join(table), "no colours where no terminal is")
        rates = {v["volume"]: v for v in json.loads(top("--json", "--interval", "1"))["volumes"]}
        t.ok(rates["project1"]["written_bytes"] > 0 and rates["project1"]["requests"] > 0, "rates: %s" % rates)
        t.eq(rates["imagenet"]["read_bytes"], 0, "nothing goes on there")

        with terminal() as x:
            t.wait_for(lambda: len(x.screens()) > 2, "it goes on", 20)
            t.ok(any(r.startswith("project1") for r in x.screens()[1]), "volumes: %s" % x.screens()[1])
            n = len(x.screens())
            x.resize(5)
            t.wait_for(lambda: len(x.screens()) > n + 1, "it draws again", 20)
            t.ok(len(x.screens()[-2]) <= 5, "no more lines than the window has: %s" % x.screens()[-2])
            os.write(x.master, b"q")
            t.eq(x.end("q"), 0, "exit status")
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with terminal() as x:
                x.child.send_signal(sig)
                t.eq(x.end(sig.name), 0, "exit status")
        with terminal() as x:
            os.write(x.master, b"\x1a")  # Ctrl-Z
            t.wait_for(lambda: LEAVE in x.read(), "the terminal is given back", 20)
            t.wait_for(lambda: termios.tcgetattr(x.slave) == x.was, "its modes, too", 20)
            t.wait_for(lambda: open("/proc/%d/stat" % x.child.pid, encoding="ascii").read().split()[2] == "T", "it stops", 20)
            n = len(x.screens())
            x.child.send_signal(signal.SIGCONT)
            t.wait_for(lambda: len(x.screens()) > n, "it goes on", 20)
            os.write(x.master, b"q")
            t.wait_for(lambda: x.read() is not None and x.child.poll() is not None, "it ends", 20)
            t.eq(termios.tcgetattr(x.slave), x.was, "the terminal as it was")
    finally:
        os.killpg(busy.pid, signal.SIGKILL)
        busy.wait()

    with terminal() as x:
        gw.down()
        t.ok(x.end("the mount is gone") == 1, "exit status")
        t.ok(b"cannot read" in x.said.split(LEAVE)[1], "and why: %r" % x.said[-200:])
    p = t.run(t.ONTAPFS, "top", gw.mnt, check=False)
    t.ok(p.returncode == 1 and "'ontapfs status' lists the mounts" in p.stderr, "no mount: " + p.stderr)
    gw.up()
os.chdir("/")
