#!/usr/bin/env python3
"""audit_log=journal:SOCKET: each verb is one entry in the journal's native protocol, also after the journal was started again."""
# needs: own-mount
# log-ok: cannot write to the audit log
# cells: audit
import errno
import json
import os
import socket
import ontapfs_test as t

PATH = t.WORK + "/journal"


def journal():
    """What systemd-journald listens with."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(PATH)
    s.settimeout(10)
    return s


def entry(s):
    out = {}
    for line in s.recv(65536).decode().split("\n"):
        if line:
            key, value = line.split("=", 1)
            out[key] = value
    return out


with t.own_sim() as sim:
    bad = t.Gateway(sim.backend, t.WORK + "/none", "audit_log=journal:" + PATH)
    t.ok(bad.try_up() != 0 and PATH in bad.said, "a journal that is not there: " + bad.said)
    with journal() as s, t.Gateway(sim.backend, t.WORK + "/mnt", "audit_log=journal:" + PATH) as gw:
        run1 = gw.mnt + "/project1/.snapshots/run1"
        for fn, args, verb, want in ((os.mkdir, (run1,), "snapshot.create", 0),
                                     (os.mkdir, (os.path.dirname(run1) + "/-x",), "snapshot.create", errno.EINVAL),
                                     (os.rmdir, (run1,), "snapshot.delete", 0)):
            t.eq(t.name_of(t.errno_of(t.run_as, t.A, t.A, fn, *args)), t.name_of(want), verb)
            e = entry(s)
            rec = json.loads(e["MESSAGE"])
            t.eq((e["ONTAPFS_VERB"], e["ONTAPFS_UID"], e["SYSLOG_IDENTIFIER"], e["PRIORITY"]),
                 (verb, str(t.A), "ontapfs", "4" if want else "6"), "fields")
            t.eq((rec["verb"], rec["uid"], rec["result"]), (verb, t.A, "ok" if not want else t.name_of(want)), "message")
            t.eq((e.get("ONTAPFS_REQUEST"), e.get("ONTAPFS_OBJECT")), (rec.get("request"), rec.get("object")), "ids")
        s.setblocking(False)
        t.expect(errno.EAGAIN, s.recv, 1)  # three verbs, three entries
        os.unlink(PATH)
        s.close()
        os.mkdir(gw.mnt + "/project1/.snapshots/unheard")
        with journal() as again:
            os.mkdir(gw.mnt + "/project1/.snapshots/run2")
            t.eq(json.loads(entry(again)["MESSAGE"])["name"], "run2", "first entry of the new journal")
        t.ok('"name":"unheard"' in t.read(gw.log).decode(), "a record that no journal took stands in the log")
