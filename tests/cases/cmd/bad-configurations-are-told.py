#!/usr/bin/env python3
"""A configuration that is no JSON, has wrong types or values, or secrets that others may read: one sentence with file, key, why and what to do."""
# needs: own-mount
import copy
import json
import os
import ontapfs_test as t

good = {"version": 1, "storageDriverName": "ontap-nas", "managementLIF": "127.0.0.1", "svm": "svm1", "username": "u",
        "password": "se-cret-word", "ontapfs": {}}
n = 0


def refused(words, change=None, text=None, mode=0o600):
    global n
    n += 1
    b = copy.deepcopy(good)
    if change:
        change(b)
    path = "%s/bad%d.json" % (t.WORK, n)
    t.write(path, json.dumps(b) if text is None else text, mode=mode)
    os.chmod(path, mode)
    for cmd in ("mount", path, t.WORK), ("doctor", path):
        p = t.run(t.ONTAPFS, *cmd, check=False)
        said = p.stderr if cmd[0] == "mount" else "\n".join(p.stdout.splitlines()[:2])
        t.eq(p.returncode, 1, "%s: exit status, %s" % (cmd[0], said))
        if cmd[0] == "mount":
            t.eq(len(said.splitlines()), 1, "one sentence: " + said)
        for w in (path, *words):
            t.ok(w in said, "%s does not say '%s': %s" % (cmd[0], w, said))
        t.ok("se-cret-word" not in p.stdout + p.stderr, "%s tells the password" % cmd[0])
        print(said.strip())


def put(*keys, value):
    def change(b):
        for k in keys[:-1]:
            b = b.setdefault(k, {})
        b[keys[-1]] = value
    return change


refused(["line 2", "column"], text='{"version": 1,\n "svm": }')
refused(["ends too early"], text='{"version": 1,')
refused([], text="")
refused([], text="[1, 2]")
refused(["svm"], put("svm", value=7))
refused(["ontapfs"], put("ontapfs", value="words"))
refused(["ontapfs.workers"], put("ontapfs", "workers", value="many"))
refused(["ontapfs.workers"], put("ontapfs", "workers", value=4000))
refused(["ontapfs.allow", "snapshot.fly"], put("ontapfs", "allow", value=["snapshot.fly"]))
refused(["ontapfs.snapdir", "hidden"], put("ontapfs", "snapdir", value="maybe"))
refused(["storageDriverName", "ontap-san"], put("storageDriverName", value="ontap-san"))
refused(["managementLIF"], lambda b: b.pop("managementLIF"))
refused(["chmod", "password"], mode=0o644)
refused(["trustedCACertificate"], put("trustedCACertificate", value="bm90IGEgY2VydA=="))
secret = t.WORK + "/password"
t.write(secret, "se-cret-word\n", mode=0o644)
os.chmod(secret, 0o644)


def by_file(b):
    del b["password"]
    b["ontapfs"]["password_file"] = secret


refused([secret, "chmod"], by_file)
os.chmod(secret, 0o600)
t.write(secret, "")
refused([secret], by_file)
os.unlink(secret)
refused([secret], by_file)
# An unknown key is no error, but it is named.
odd = t.WORK + "/odd.json"
t.write(odd, json.dumps(dict(good, svn="svm1", ontapfs={"attr_timout": 1, "restPort": 1})), mode=0o600)
p = t.run(t.ONTAPFS, "doctor", odd, check=False)
t.ok("svn" in p.stderr and "attr_timout" in p.stderr and "warning  configuration" in p.stdout, p.stdout + p.stderr)
for name in ("/nothing.json",):
    p = t.run(t.ONTAPFS, "mount", t.WORK + name, t.WORK, check=False)
    t.ok(p.returncode == 1 and name in p.stderr and len(p.stderr.splitlines()) == 1, p.stderr)
t.eq(t.mounts_below(t.WORK), [], "mounts")
