#!/usr/bin/env python3
"""`ontapfs doctor` names the check that fails, with the remedy, skips what depends on it, and tells by its exit status."""
# needs: own-mount
# time-limit: 180
import base64
import copy
import json
import os
import ontapfs_test as t

CHECKS = ["config", "name", "connect", "tls", "login", "svm", "version", "rights", "nfs", "lifs", "reserved", "export",
          "transfer", "identifiers", "snapdir", "flexclone", "read", "leftovers"]


def doctor(config, *, user=None):
    cmd = [t.ONTAPFS, "doctor", "--json", config]
    if user:
        cmd = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--", *cmd]
    p = t.run(*cmd, check=False)
    d = json.loads(p.stdout)
    t.eq([c["check"] for c in d["checks"]], CHECKS, "checks, in order")
    t.eq(d["result"], {0: "ok", 1: "failed", 2: "warning"}[p.returncode], "exit status")
    worst = {c["state"] for c in d["checks"]}
    t.eq(p.returncode, 1 if "failed" in worst else 2 if "warning" in worst else 0, "exit status by %r" % worst)
    return {c["check"]: c for c in d["checks"]}


with t.own_sim("--max-xfer=1M") as sim:
    good = t.backend(sim.dir)
    vol = t.volume_uuid("trident_pvc", sim.dir)
    n = 0

    def config(change=None):
        global n
        n += 1
        b = copy.deepcopy(good)
        if change:
            change(b)
        path = "%s/b%d.json" % (t.WORK, n)
        t.write(path, json.dumps(b), mode=0o600)
        return path

    def key(*path, value):
        def change(b):
            for k in path[:-1]:
                b = b.setdefault(k, {})
            b[path[-1]] = value
        return change

    def finds(check, state, change, text, remedy, skipped=""):
        """That check must be the only one that is not as it was, but for those skipped."""
        d = doctor(config(change))
        c = d[check]
        print("%-12s %-8s %s" % (check, c["state"], c["text"]))
        t.eq(c["state"], state, "%s: %s" % (check, c["text"]))
        t.ok(text in c["text"], "%s says '%s': %s" % (check, text, c["text"]))
        t.ok(remedy in (c["remedy"] or ""), "%s: remedy '%s': %s" % (check, remedy, c["remedy"]))
        want = dict(usual, **{k: "skipped" for k in skipped.split()}, **{check: state})
        t.eq({k: v["state"] for k, v in d.items()}, want, "all verdicts with a bad " + check)
        t.ok(good["password"] not in json.dumps(d), "the password is not told")

    usual = {c: "ok" for c in CHECKS}
    usual.update(identifiers="warning", snapdir="warning", flexclone="skipped")
    late = "svm version rights nfs lifs reserved export transfer identifiers snapdir flexclone read leftovers"
    d = doctor(config())
    t.eq({k: v["state"] for k, v in d.items()}, usual, "a new simulator")
    t.ok("trident_pvc" in d["snapdir"]["text"] and "snapdir-access" in d["snapdir"]["remedy"], "snapdir: %r" % d["snapdir"])
    t.ok("imagenet" in d["identifiers"]["text"], "identifiers: %r" % d["identifiers"])
    # All well: exit status 0.
    t.rest_job("PATCH", "/storage/volumes/" + vol, {"snapshot_directory_access_enabled": True}, sim.dir)
    svm = t.rest("GET", "/protocols/nfs/services", sim=sim.dir)[1]["records"][0]["svm"]["uuid"]
    nfs = "/protocols/nfs/services/" + svm
    good["ontapfs"]["exclude"] = ["imagenet"]
    usual.update(identifiers="ok", snapdir="ok")
    t.write(sim.path() + "/file", "bytes to read")
    d = doctor(config())
    t.eq({k: v["state"] for k, v in d.items()}, usual, "a well-made filer")
    t.ok("read 13 bytes of project1/file" in d["read"]["text"], "a real read: %r" % d["read"])
    t.eq(t.run(t.ONTAPFS, "doctor", config()).stdout.splitlines()[-1], "17 ok, 0 warnings, 0 failed, 1 skipped", "for people")

    finds("config", "failed", key("storageDriverName", value="ontap-san"), "ontap-san", "ontapfs.json(5)",
          "name connect tls login " + late)
    finds("config", "warning", key("ontapfs", "no_such_key", value=1), "ignored", "correct")
    finds("name", "failed", key("managementLIF", value="no-such-host.invalid"), "no-such-host.invalid", "managementLIF",
          "connect tls login " + late)
    finds("connect", "failed", key("ontapfs", "restPort", value=1), "refused", "network interface show", "tls login " + late)
    t.need("openssl")
    t.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "2",
          "-keyout", t.WORK + "/k.pem", "-out", t.WORK + "/c.pem")
    other = base64.b64encode(t.read(t.WORK + "/c.pem")).decode()
    finds("tls", "failed", key("trustedCACertificate", value=other), "trustedCACertificate vouches", "openssl s_client",
          "login " + late)
    finds("tls", "failed", lambda b: b.pop("trustedCACertificate"), "not trusted", "openssl s_client", "login " + late)
    finds("login", "failed", key("password", value="not-it"), "401", "security login show", late)
    finds("svm", "failed", key("svm", value="no-such-svm"), "no-such-svm", "vserver show", late[4:])
    finds("lifs", "failed", key("dataLIF", value="127.0.0.254"), "127.0.0.254", "let TCP", "export read")
    finds("lifs", "failed", key("ontapfs", "nfsPort", value=1), "refused", "nfsPort", "export read")

    # What the filer lacks.
    t.rest("PATCH", nfs, {"protocol": {"v3_enabled": False}}, sim=sim.dir)
    c = doctor(config())["nfs"]
    t.ok(c["state"] == "failed" and "-v3 enabled" in c["remedy"], "NFSv3 off: %r" % c)
    t.rest("PATCH", nfs, {"protocol": {"v3_enabled": True}}, sim=sim.dir)
    t.rest("PATCH", nfs, {"transport": {"tcp_max_transfer_size": 65536}}, sim=sim.dir)
    finds("transfer", "warning", None, "65536", "-tcp-max-xfer-size 1048576")
    t.rest("PATCH", nfs, {"transport": {"tcp_max_transfer_size": 1048576}}, sim=sim.dir)
    # What is not root's: it may still be enough.
    own = config()
    os.chown(own, t.A, t.A)
    os.chown(t.WORK, t.A, t.A)
    if int(t.read("/proc/sys/net/ipv4/ip_unprivileged_port_start")) == 1024:
        c = doctor(own, user=t.A)
        t.ok(c["reserved"]["state"] == "failed" and "mount-rootonly" in c["reserved"]["remedy"], "user: %r" % c["reserved"])
        t.rest("PATCH", nfs, {"protocol": {"v3_features": {"mount_root_only": False}}}, sim=sim.dir)
        t.eq({k: v["state"] for k, v in doctor(own, user=t.A).items()}, usual, "an ordinary user, mount-rootonly off")
    # An account with the rights that --print-role prints can do it; with less, each is named.
    role = t.run(t.ONTAPFS, "doctor", "--print-role", config()).stdout.splitlines()
    t.ok(role[-1].startswith("security login create -vserver svm1 "), "print-role: " + role[-1])
    rights = [(line.split('"')[1], line.split()[-1]) for line in role[:-1]]
    for path, access in rights:
        t.run(t.ONTAPSIM, "ctl", sim.dir, "role", path, access)
    finds("rights", "ok", None, "what is needed", "")
    with t.Gateway(config(), t.WORK + "/mnt") as gw:
        v = gw.mnt + "/project1"
        os.mkdir(v + "/.snapshots/s")
        os.rename(v + "/.snapshots/s", v + "/.snapshots/r")
        os.symlink("../.snapshots/r", v + "/.clones/exp")
        t.eq(t.read(v + "/.clones/exp/file"), b"bytes to read", "a clone")
        finds("leftovers", "ok", None, "1 clones", "")
        exp = t.volume_uuid("exp", sim.dir)
    t.run(t.ONTAPSIM, "ctl", sim.dir, "role", "/api/storage/volumes/*/snapshots", "readonly")
    finds("rights", "failed", None, "readonly on /api/storage/volumes/*/snapshots", "rest-role create")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "role", "/api/security", "none")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "role", "/api/security/accounts", "none")
    finds("rights", "warning", None, "may not look", "--print-role")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "role", "/api/protocols/nfs/services", "none")
    c = doctor(config())
    t.eq((c["nfs"]["state"], c["identifiers"]["state"], c["transfer"]["state"], c["read"]["state"]),
         ("skipped", "skipped", "ok", "ok"), "a service that may not be read")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "role", "clear")
    # A clone that nobody can reach, licences, the export rule.
    t.rest_job("PATCH", "/storage/volumes/" + exp, {"nas": {"path": ""}}, sim.dir)
    finds("leftovers", "warning", None, "exp of uid 0: it is not mounted", "volume delete")
    t.rest_volume_delete("exp", sim.dir)
    with open(sim.dir + "/accounts.json", encoding="utf-8") as f:
        admin = json.load(f)["admin"]["password"]

    def as_admin(b):
        b.update(username="admin", password=admin)
    usual["flexclone"] = "ok"
    finds("flexclone", "ok", as_admin, "is licensed", "")
    t.run(t.ONTAPSIM, "ctl", sim.dir, "license", "remove", "flexclone")
    finds("flexclone", "warning", as_admin, "not licensed", "license add")
    usual["flexclone"] = "skipped"
    for p in t.rest("GET", "/protocols/nfs/export-policies?fields=id", sim=sim.dir)[1]["records"]:
        for r in t.rest("GET", "/protocols/nfs/export-policies/%s/rules?fields=index" % p["id"], sim=sim.dir)[1]["records"]:
            rule = "/protocols/nfs/export-policies/%s/rules/%s" % (p["id"], r["index"])
            t.rest("PATCH", rule, {"clients": [{"match": "192.0.2.1"}]}, sim=sim.dir)
    finds("export", "failed", None, "no rule of policy", "export-policy rule create", "read")
p = t.run(t.ONTAPFS, "doctor", check=False)
t.ok(p.returncode == 1 and "CONFIG is missing" in p.stderr, "without CONFIG: " + p.stderr)
role = t.run(t.ONTAPFS, "doctor", "--print-role").stdout
t.ok("/api/storage/volumes" in role and "-vserver SVM" in role, "print-role without CONFIG: " + role)
