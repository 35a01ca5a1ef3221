#!/usr/bin/env python3
"""The password stands in no command line, environment, log, file of .ontap or error, and no core dump is made of it."""
# needs: own-mount
import base64
import errno
import json
import os
import re
import ontapfs_test as t

with t.own_mount("log_level=debug") as (sim, gw):
    b = t.backend(sim.dir)
    secret = b["password"]
    t.ok(len(secret) >= 8, "there is a password")
    # As it is, and as the header of HTTP has it.
    words = [secret.encode(), base64.b64encode(("%s:%s" % (b["username"], secret)).encode())]

    def clean(data, where):
        for w in words:
            t.ok(w not in data, "the password stands in " + where)

    for name in ("s1", "s2"):
        os.mkdir(gw.mnt + "/project1/.snapshots/" + name)
    t.expect(errno.EINVAL, os.mkdir, gw.mnt + "/project1/.snapshots/@mine")
    clean(os.getxattr(gw.mnt + "/project1/.snapshots", "ontap.last_error"), "last_error")
    processes = [gw.process(), gw.process("ontapfs-hold"), gw.process("ontapfs-notify")]
    t.ok(all(processes), "processes: %r" % processes)
    for pid in processes:
        for what in ("cmdline", "environ"):
            clean(t.read("/proc/%d/%s" % (pid, what)), "%s of process %d" % (what, pid))
    for pid in (processes[0], processes[2]):
        limit = re.search(r"^Max core file size +(\d+) +(\d+)", t.read("/proc/%d/limits" % pid).decode(), re.M)
        t.eq(limit and limit.groups(), ("0", "0"), "core dumps of process %d" % pid)
    for name in os.listdir(gw.mnt + "/.ontap"):
        clean(t.read(gw.mnt + "/.ontap/" + name), ".ontap/" + name)
    clean(t.run(t.ONTAPFS, "status", gw.mnt).stdout.encode(), "ontapfs status")
    clean(t.run(t.ONTAPFS, "doctor", sim.backend, check=False).stdout.encode(), "ontapfs doctor")
    wrong = dict(b, password="Wrong-but-secret-1")
    with open(os.open(t.WORK + "/wrong.json", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
        json.dump(wrong, f)
    other = t.Gateway(t.WORK + "/wrong.json", t.WORK + "/mnt2")
    t.ok(other.try_up() != 0, "a wrong password")
    words.append(b"Wrong-but-secret-1")
    clean(other.said.encode(), "the refusal")
    t.ok(b"serving SVM" in t.read(gw.log), "there is a log")
    for log in (gw.log, other.log):
        clean(t.read(log), "the log")
