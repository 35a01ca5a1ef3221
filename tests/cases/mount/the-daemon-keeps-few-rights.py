#!/usr/bin/env python3
"""Daemon and notifier hold no capability but those that docs/SECURITY.md names, in every thread, a successor's too; with these a
new password is still read from another user's file."""
# needs: own-mount
# log-ok: killed by signal 9
import os
import re
import sqlite3
import ontapfs_test as t

NUMBER = {"CAP_DAC_READ_SEARCH": 2, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19}
page = t.read(t.TOP + "/docs/SECURITY.md").decode()
kept = re.findall(r"^\| `(CAP_\w+)` \|", page, re.M)
t.eq(sorted(kept), sorted(NUMBER), "capabilities that the page names")
MASK = sum(1 << NUMBER[c] for c in kept)
SANITIZED = bool(os.environ.get("ASAN_OPTIONS") or os.environ.get("TSAN_OPTIONS"))


def rights(pid):
    """{(field, value)} over all threads of a process."""
    out = set()
    for tid in os.listdir("/proc/%d/task" % pid):
        text = t.read("/proc/%d/task/%s/status" % (pid, tid)).decode(errors="replace")
        out |= set(re.findall(r"^(CapInh|CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):\s+(\w+)$", text, re.M))
    return {(k, int(v, 16)) for k, v in out}


def look(gw):
    filtered = {("NoNewPrivs", 1), ("Seccomp", 0 if SANITIZED else 2), ("CapInh", 0), ("CapBnd", MASK)}
    t.eq(rights(gw.process()), filtered | {("CapPrm", MASK), ("CapEff", MASK)}, "of the daemon")
    t.eq(rights(gw.process("ontapfs-notify")), filtered | {("CapPrm", 0), ("CapEff", 0)}, "of the notifier")


with t.own_sim() as sim, t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
    look(gw)
    gw.replace_daemon()
    t.write(gw.mnt + "/project1/f", b"x")
    look(gw)

    # The configuration is another user's, and his alone.
    text = t.read(sim.backend).decode()
    with sqlite3.connect(os.path.join(sim.dir, "state.db"), timeout=10) as db:
        db.execute("UPDATE accounts SET password='second' WHERE name='vsadmin'")
    t.write(sim.backend, re.sub(r'("password": *)"[^"]*"', r'\1"second"', text).encode(), mode=0o600)
    os.chown(sim.backend, t.A, t.A)
    os.mkdir(gw.mnt + "/project1/.snapshots/s")
