#!/usr/bin/env python3
"""Wrong host, port, password, certificate, SVM, LIF, export rule, source, mount point: exit 1, one sentence, nothing left."""
# needs: own-mount
# time-limit: 120
import base64
import copy
import json
import os
import ontapfs_test as t

with t.own_sim() as sim:
    good = t.backend(sim.dir)
    n = 0

    def refused(what, change, *words, source=None, mnt=None):
        """The mount must fail, and one of the words be in what it says."""
        global n
        n += 1
        b = copy.deepcopy(good)
        if change:
            change(b)
        path = source or "%s/b%d.json" % (t.WORK, n)
        if not source:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
                json.dump(b, f)
        g = t.Gateway(path, mnt or "%s/mnt%d" % (t.WORK, n))
        status = g.try_up()
        said = g.said.strip()
        print("%-22s %s" % (what, said))
        t.eq(status, 1, what + ": exit status (%s)" % said)
        t.eq(len(said.splitlines()), 1, what + ": lines said")
        t.ok(any(w.lower() in said.lower() for w in words), "%s: none of %r in: %s" % (what, words, said))
        t.ok(b["password"] not in said, what + ": the password is not told")
        t.ok(not g.mounted(), what + ": no mount is left")
        t.wait_for(lambda: not t.gateway_processes(g.mnt), what + ": no process is left", 10)

    def key(*path, value):
        def change(b):
            for k in path[:-1]:
                b = b.setdefault(k, {})
            b[path[-1]] = value
        return change

    refused("host that is nobody", key("managementLIF", value="no-such-host.invalid"), "no-such-host.invalid")
    refused("port that is closed", key("ontapfs", "restPort", value=1), "127.0.0.1", "refused", "connect")
    refused("wrong password", key("password", value="not-it"), "password", "login", "account", "user")
    refused("unknown user", key("username", value="nobody-here"), "nobody-here", "password", "login", "account")
    t.need("openssl")
    t.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "2",
          "-keyout", t.WORK + "/k.pem", "-out", t.WORK + "/c.pem")
    other = base64.b64encode(t.read(t.WORK + "/c.pem")).decode()
    refused("another certificate", key("trustedCACertificate", value=other), "certificate")
    refused("no pinned certificate", lambda b: b.pop("trustedCACertificate"), "certificate")
    refused("broken certificate", key("trustedCACertificate", value="bm90IGEgY2VydA=="), "certificate")
    refused("unknown SVM", key("svm", value="no-such-svm"), "no-such-svm")
    refused("LIF that is nobody", key("dataLIF", value="127.0.0.254"), "127.0.0.254")
    refused("NFS port that is closed", key("ontapfs", "nfsPort", value=1), "NFS", "connect", "refused")
    refused("unknown driver", key("storageDriverName", value="ontap-san"), "ontap-san")
    refused("no such source", None, "no such", "not exist", "cannot", source=t.WORK + "/nothing.json")
    bad = t.WORK + "/broken.json"
    with open(os.open(bad, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
        f.write('{"version": 1,\n "svm": }')
    refused("source that is no JSON", None, "json", "line", "parse", "unexpected", source=bad)
    readable = t.WORK + "/readable.json"
    with open(readable, "w", encoding="utf-8") as f:
        json.dump(good, f)
    os.chmod(readable, 0o644)
    refused("password others may read", None, "others", "chmod", "readable", "mode", source=readable)
    plain = t.WORK + "/plain-file"
    t.write(plain, "x")
    g = t.Gateway(sim.backend, plain)
    p = t.run(t.ONTAPFS, "mount", sim.backend, plain, check=False)
    t.eq((p.returncode, len(p.stderr.strip().splitlines())), (1, 1), "mount point that is a file: " + p.stderr)
    p = t.run(t.ONTAPFS, "mount", sim.backend, t.WORK + "/missing", check=False)
    t.eq((p.returncode, len(p.stderr.strip().splitlines())), (1, 1), "mount point that is missing: " + p.stderr)
    for opt in ("no_such_option=1", "attr_timeout=banana", "allow=snapshot.fly", "password=x"):
        g = t.Gateway(sim.backend, t.WORK + "/mo", opt)
        t.eq(g.try_up(), 1, "-o " + opt)
        t.ok(opt.split("=")[0] in g.said and len(g.said.strip().splitlines()) == 1, g.said)

    # An export rule that does not let us in.
    for p in t.rest("GET", "/protocols/nfs/export-policies?fields=id", sim=sim.dir)[1]["records"]:
        for r in t.rest("GET", "/protocols/nfs/export-policies/%s/rules?fields=index" % p["id"], sim=sim.dir)[1]["records"]:
            t.rest("PATCH", "/protocols/nfs/export-policies/%s/rules/%s" % (p["id"], r["index"]),
                   {"clients": [{"match": "192.0.2.1"}]}, sim=sim.dir)
    refused("export rule", None, "export")
    t.eq([m for m in t.mounts_below(t.WORK) if m[2].startswith("fuse")], [], "FUSE mounts left")
