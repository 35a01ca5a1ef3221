#!/usr/bin/env python3
"""--nfs=ganesha: a choice for good; nothing is left running or mounted, however the parts end; nobody stays stopped."""
# needs: own-mount
# time-limit: 120
import os
import signal
import socket
import ontapfs_test as t

t.need("ganesha.nfsd", "mkfs.xfs")

sim = t.Sim(t.WORK + "/sim", "--nfs=ganesha", "--lifs", 2)
run = sim.dir + "/run/"


def servers():
    return [int(t.read(run + n)) for n in sorted(os.listdir(run)) if n.startswith("ganesha.1") and n.endswith(".pid")]


def state_of(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"


def control(sock, line):
    sock.sendall(line.encode() + b"\n")
    return sock.recv(200).decode()


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(run + "nfs.sock")
    return s


try:
    sim.up()
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        f = gw.mnt + "/project1/f"
        t.write(f, "first")
        pids = servers()
        t.eq(len(pids), 2, "servers for two LIFs")

        # Who asked them to stand still and went away, or was killed, does not keep them still.
        for how in ("thaw", "close"):
            with connect() as s:
                t.eq(control(s, "freeze"), "ok\n", "freeze")
                t.eq([state_of(p) for p in pids], ["T", "T"], "while frozen")
                if how == "thaw":
                    t.eq(control(s, "thaw"), "ok\n", "thaw")
                    t.ok(control(s, "thaw").startswith("error"), "thaw twice")
            t.wait_for(lambda: "T" not in [state_of(p) for p in pids], "they go on after " + how)
        t.eq(t.read(f), b"first", "after standing still")

        # The keeper killed while they stand still: they die with it.
        with connect() as s:
            control(s, "freeze")
            sim.kill("nfs")
        sim.up()
        t.ok(all(state_of(p) in ("gone", "Z") for p in pids), "the old servers are gone")
        t.write(f, "second")
        t.eq(t.read(f), b"second", "with the new servers, through the same mount")
        os.mkdir(gw.mnt + "/project1/.snapshots/s")

        # One of the servers killed: the simulator says so, and comes back with `up`.
        os.kill(servers()[0], signal.SIGKILL)
        t.wait_for(lambda: t.run(t.ONTAPSIM, "status", sim.dir, check=False).returncode == 1, "status tells it")
        sim.up()
        t.eq(t.read(gw.mnt + "/project1/.snapshots/s/f"), b"second", "a snapshot after all that")
    t.eq([p for p, _, _ in t.mounts_below(sim.dir)], [sim.dir + "/store"], "mounts that the machine sees")
    sim.down()
    t.eq(t.mounts_below(sim.dir), [], "mounts after down")
    p = t.run(t.ONTAPSIM, "up", sim.dir, "--nfs=builtin", check=False)
    t.ok(p.returncode == 1 and "made with --nfs=ganesha" in p.stderr, "another server later: " + p.stderr)
    sim.up()
    t.ok(os.path.exists(sim.path() + "/f"), "the data after down and up")
finally:
    sim.destroy()
t.ok(not os.path.exists(sim.dir), "destroy leaves nothing")
