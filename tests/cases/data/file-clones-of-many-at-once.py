#!/usr/bin/env python3
"""Of many file clones in a volume four are at work at a time, from two gateways more; all are whole, whatever bytes their names are of; a file that is open and removed meanwhile stays readable."""
# needs: own-mount
# cells: copy-clone/live link-clone/live unlink/live
# not-on: ganesha (it is about REST)
# time-limit: 120
import os
import subprocess
import ontapfs_test as t

SIZE = 17 << 20
DATA = b"data" * (SIZE // 4) + b"tail"


def at_work():
    return t.read(gw.mnt + "/.ontap/jobs").count(b"file.clone")


def start(*cmd):
    return subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def ended(p):
    out = p.communicate(timeout=60)[0]
    t.eq((p.returncode, out), (0, b""), repr(p.args))


with t.own_mount() as (sim, gw), t.second_mount(sim=sim.dir) as other:
    v, w, store = gw.mnt + "/project1", other.mnt + "/project1", sim.path()
    t.write(v + "/big", DATA)
    t.run("ls", w)
    os.mkdir(v + "/.snapshots/s")
    name = os.fsencode(v) + b"/\xff\xfe big\n"
    t.write(name, DATA)
    before = t.nfs_calls(gw.mnt, proc="WRITE") + t.nfs_calls(other.mnt, proc="WRITE")

    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "stuck", "6")  # 4 here, 2 there
    ps = []
    for i in range(7):
        ps.append(start(*t.CP, v + "/.snapshots/s/big", v + "/c%d" % i))
    for i in range(2):
        ps.append(start(*t.CP, w + "/big", w + "/w%d" % i))
    ps.append(start(*t.CP, name, os.fsencode(v) + b"/copy\xff\xfe"))
    try:
        t.wait_for(lambda: at_work() == 4, "four file clones at work on one gateway", 30)
    except t.Failed as e:
        t.fail("%s; at work: %r and, on the other, %r; ended: %r" % (
            e, t.read(gw.mnt + "/.ontap/jobs"), t.read(other.mnt + "/.ontap/jobs"), [p.args for p in ps if p.poll() is not None]))
    t.pause(0.5)
    t.eq(at_work(), 4, "file clones at work on one gateway")
    # One ln, and last: link(2) keeps the directory locked in the kernel.
    ps.append(start("ln", v + "/.snapshots/s/big", v + "/l"))
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "release")
    for p in ps:
        ended(p)
    for n in [b"c%d" % i for i in range(7)] + [b"l", b"w0", b"w1", b"copy\xff\xfe"]:
        t.ok(t.read(os.fsencode(v) + b"/" + n) == DATA, "bytes of %r" % n)
    t.eq(t.nfs_calls(gw.mnt, proc="WRITE") + t.nfs_calls(other.mnt, proc="WRITE") - before, 0, "WRITE calls")
    t.eq(os.listdir(store + "/.ontapfs"), [], "private names left")

    # A private name does not keep an open file: its last real name is gone.
    t.write(v + "/source", DATA)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "1500")
    with open(v + "/source", "rb") as f:
        p = start(*t.CP, v + "/source", v + "/to")
        t.wait_for(at_work, "the clone at work", 10)
        os.unlink(v + "/source")
        to = os.open(v + "/to", os.O_RDONLY)
        os.unlink(v + "/to")
        ended(p)
        t.eq(os.listdir(store + "/.ontapfs"), [], "private names left")
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        t.ok(f.read() == DATA, "the removed source is readable")
        t.ok(os.pread(to, SIZE + 4, 0) == DATA, "the removed copy is readable")
        os.close(to)
    t.wait_for(lambda: not [n for n in os.listdir(store) if n.startswith(".nfs")], "the last close to remove them", 10)
