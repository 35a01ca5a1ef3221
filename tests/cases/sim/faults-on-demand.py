#!/usr/bin/env python3
"""Each fault of the control socket happens, to the requests it is meant for and as often as asked, and ends."""
# needs: own-mount
import http.client
import json
import os
import ssl
import time
import ontapfs_test as t
from simrest import Rest

sim = t.Sim(t.WORK + "/sim")


def ctl(*words):
    t.run(t.ONTAPSIM, "ctl", sim.dir, *map(str, words))


def hangs_up(fn, *args, **kw):
    try:
        fn(*args, **kw)
    except (ConnectionError, http.client.HTTPException, ssl.SSLError):
        return True
    return False


def snapshots(rest):
    return rest.get("/storage/volumes/%s/snapshots" % vol).names


def take(rest, name, **query):
    return rest.call("POST", "/storage/volumes/%s/snapshots" % vol, {"name": name}, **query)


try:
    sim.up()
    rest, admin = Rest(sim.dir), Rest(sim.dir, "admin")
    vol = rest.uuid("project1")
    t.eq(t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "explode", check=False).returncode, 1, "a wrong word")

    # Answers that ONTAP, or what is before it, gives in trouble.
    for status in (403, 429, 500, 503):
        ctl("fault", "rest", "status", status, 2, 7)
        for _ in range(2):
            r = rest.get("/cluster")
            t.eq(r.status, status, "status")
            t.eq(r.headers.get("Retry-After"), "7" if status in (429, 503) else None, "Retry-After of %d" % status)
        t.eq(rest.get("/cluster").status, 200, "after two of %d" % status)

    ctl("fault", "rest", "delay", 300, 1)
    begin = time.monotonic()
    t.eq(rest.get("/cluster").status, 200, "delayed")
    t.ok(time.monotonic() - begin >= 0.3, "the delay")

    ctl("fault", "rest", "POST", "reset", 1)
    t.eq(rest.get("/cluster").status, 200, "another method than the fault's")
    t.ok(hangs_up(take, rest, "never"), "reset")
    t.eq(snapshots(rest), [], "a reset request did nothing")

    ctl("fault", "rest", "POST", "lost", 1)
    t.ok(hangs_up(take, rest, "lost", return_timeout=10), "lost")
    t.eq(snapshots(rest), ["lost"], "a lost reply's request was carried out")

    whole = rest.get("/storage/volumes").raw
    ctl("fault", "rest", "truncate", 1)
    t.eq(rest.get("/storage/volumes").raw, whole[:len(whole) // 2], "truncated")
    ctl("fault", "rest", "garbage")
    try:
        json.loads(rest.get("/cluster").raw)
        t.fail("garbage is JSON")
    except ValueError:
        pass
    ctl("fault", "clear")
    t.eq(rest.get("/cluster").status, 200, "cleared")

    # Jobs: held, let go, cancelled, failed.
    ctl("job", "stuck", 1)
    r = take(rest, "held", return_timeout=1)
    t.eq(r.status, 202, "a stuck job")
    url = "/cluster/jobs/" + r.body["job"]["uuid"]
    t.eq(rest.get(url).body["state"], "running", "a stuck job")
    rest.do("POST", "/storage/volumes/%s/snapshots" % vol, {"name": "other"})
    t.ok("held" not in snapshots(rest), "a stuck job did something")
    ctl("job", "release")
    t.eq(rest.job(r)["state"], "success", "a released job")
    t.eq(snapshots(rest), ["lost", "other", "held"], "after the release")
    ctl("job", "stuck", 1)
    r = take(rest, "cancelled")
    t.eq(rest.call("PATCH", "/cluster/jobs/%s?action=cancel" % r.body["job"]["uuid"], {}).status, 200, "cancel")
    t.eq(rest.job(r)["state"], "failure", "a cancelled job")
    ctl("job", "fail", 1638532, 1)
    r = take(rest, "failed")
    t.eq(r.status, 202, "a job that will fail")
    j = rest.job(r)
    t.eq((j["state"], j["code"], j["error"]["code"]), ("failure", 1638532, "1638532"), "a failed job")
    ctl("job", "fail", 1638532, 1)
    t.eq(take(rest, "failed", return_timeout=10).code, 1638532, "a job that fails while it is waited for")
    t.ok("failed" not in snapshots(rest) and "cancelled" not in snapshots(rest), "failed jobs did something")

    # An account that is locked, and only that.
    ctl("account", "lock", "vsadmin")
    t.eq(rest.get("/cluster").status, 401, "locked")
    t.eq(admin.get("/cluster").status, 200, "the other account")
    ctl("account", "unlock", "vsadmin")
    t.eq(rest.get("/cluster").status, 200, "unlocked")

    # Another certificate: who pinned the old one is protected, the new one is in cert.pem.
    ctl("cert", "renew")
    try:
        rest.get("/cluster")
        t.fail("the old certificate still answers")
    except ssl.SSLCertVerificationError:
        pass
    t.eq(Rest(sim.dir).get("/cluster").status, 200, "with the new certificate")

    # The record: what was asked and answered, no passwords.
    log = t.WORK + "/record"
    rest = Rest(sim.dir)
    ctl("record", log)
    rest.get("/cluster", fields="name")
    take(rest, "noted")
    ctl("record", "off")
    rest.get("/cluster")
    lines = [json.loads(x) for x in open(log, encoding="utf-8")]
    t.eq([(x["method"], x["status"]) for x in lines], [("GET", 200), ("POST", 202)], "recorded")
    t.eq(lines[1]["body"], {"name": "noted"}, "the request's body")
    t.ok("job" in lines[1]["reply"], "the reply's body")
    t.eq(os.stat(log).st_mode & 0o777, 0o600, "mode of the record")
    t.ok(rest.auth.split(":")[1] not in open(log, encoding="utf-8").read(), "a password was recorded")
finally:
    sim.destroy()
