#!/usr/bin/env python3
"""Who renames and links in the directories of a copy while ONTAP makes it has nobody else's file filled and learns no secret, nor by putting a directory of his own in place of .ontapfs."""
# needs: own-mount
# cells: copy-clone/live
# not-on: ganesha (it is about REST)
# time-limit: 120
import os
import re
import subprocess
import ontapfs_test as t

SIZE = 17 << 20


def jobs():
    return t.read(gw.mnt + "/.ontap/jobs")


def begin(*cmd):
    p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    t.wait_for(lambda: b"file.clone" in jobs(), "the clone at work", 10)
    t.ok(not re.search(rb"ontapfs-[0-9a-f]", jobs()), "the private name is told: %r" % jobs())
    return p


def finished(p):
    out, err = p.communicate(timeout=40)
    t.eq((p.returncode, out + err), (0, ""), " ".join(p.args))


def reads():
    return t.nfs_calls(gw.mnt, proc="READ")


with t.own_mount() as (sim, gw):
    v, store = gw.mnt + "/project1", sim.path()
    os.mkdir(v + "/d", 0o777)
    data, secret = b"mine" * (SIZE // 4), b"hush" * (SIZE // 4)
    for name, what in (("big", data), ("d/live", data), ("victim", b"victim"), ("secret", secret)):
        t.write(v + "/" + name, what)
    os.mkdir(v + "/.snapshots/s")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "1500")
    private = store + "/.ontapfs"

    # The destination's name, of both forms.
    for cmd in ((*t.CP, v + "/big", v + "/d/copy"), ("ln", v + "/.snapshots/s/big", v + "/d/copy")):
        before = reads()
        p = begin(*cmd)
        t.eq(len(os.listdir(private)), 2 if cmd[0] == "cp" else 1, "private names")
        os.rename(store + "/d/copy", store + "/d/away")
        os.link(store + "/victim", store + "/d/copy")
        finished(p)
        t.eq(t.read(store + "/victim"), b"victim", "the victim's file after " + cmd[0])
        t.ok(t.read(store + "/d/away") == data, "what the caller made is whole after " + cmd[0])
        t.eq(reads() - before, 0, "READ calls of " + cmd[0])
        os.unlink(store + "/d/copy")
        os.unlink(store + "/d/away")

    # The same, and the clone fails: what stands under the name now is somebody else's.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "fail", "13565952", "1")
    p = begin("ln", v + "/.snapshots/s/big", v + "/d/copy")
    os.rename(store + "/d/copy", store + "/d/away")
    os.link(store + "/victim", store + "/d/copy")
    t.ok(p.wait(40), "ln succeeded though the job failed")
    p.communicate()
    t.eq(t.read(store + "/d/copy"), b"victim", "the name is the victim's and stays")
    os.unlink(store + "/d/copy")

    # The source's.
    p = begin(*t.CP, v + "/d/live", v + "/d/copy")
    os.rename(store + "/d/live", store + "/d/away")
    os.link(store + "/secret", store + "/d/live")
    finished(p)
    t.ok(t.read(store + "/d/copy") == data, "the copy holds what was opened, not a secret")
    t.eq(os.listdir(private), [], "private names left")

    # The directory: the volume's root may belong to the attacker.
    p = begin(*t.CP, v + "/big", v + "/d/copy2")
    os.rename(private, store + "/theirs")
    os.mkdir(private)
    for name in os.listdir(store + "/theirs"):
        # Even so it takes the names to do harm, and those are in no text that he reads.
        t.ok(re.fullmatch("ontapfs-[0-9a-f-]{36}", name), "a private name: " + name)
    finished(p)
    said = t.last_error(v)
    t.ok("ontapfs-" not in said, "the private name is told: " + said)
    t.ok(t.read(v + "/d/copy2") == data, "copied by data")
    t.eq((os.listdir(store + "/theirs"), os.listdir(private)), ([], []), "private names left")
