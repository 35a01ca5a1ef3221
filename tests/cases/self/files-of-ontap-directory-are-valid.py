#!/usr/bin/env python3
"""README, status, status.json, stats, config, jobs and last_error: readable, valid, without secrets, read-only."""
import errno
import json
import os
import re
import ontapfs_test as t

d = t.MNT + "/.ontap/"
t.ok(len(t.read(d + "README")) > 500 and b".snapshots" in t.read(d + "README"), "README is a cheat sheet")
t.ok(b"hard link" in t.read(d + "README"), "README explains `ln` of a directory")
t.ok(t.read(d + "status").strip(), "status says something")
j = json.loads(t.read(d + "status.json"))
text = json.dumps(j)
t.ok(t.backend()["svm"] in text, "status.json names the SVM")
for key in ("cluster", "version"):
    t.ok(key in text, "status.json has " + key)
cfg = t.read(d + "config")
t.ok(t.backend()["password"].encode() not in cfg, "config masks the password")
json.loads(cfg)
for n, mode in (("config", 0o400), ("jobs", 0o400), ("README", 0o444), ("status", 0o444), ("stats", 0o444),
                ("status.json", 0o444), ("last_error", 0o444)):
    st = os.stat(d + n)
    t.eq((st.st_mode & 0o777, st.st_uid), (mode, 0), "mode and owner of " + n)
    t.expect((errno.EPERM, errno.EROFS, errno.EACCES), os.open, d + n, os.O_WRONLY)
    t.expect(errno.EPERM, os.unlink, d + n)
for n in ("config", "jobs"):
    t.expect(errno.EACCES, t.run_as, t.A, t.A, t.read, d + n)
t.run_as(t.A, t.A, t.read, d + "status.json")
t.read(d + "jobs")
# Tools that trust st_size, and tools that read in pieces.
t.run("cp", d + "status.json", t.WORK + "/copy")
json.loads(t.read(t.WORK + "/copy"))
with open(d + "README", "rb", buffering=0) as f:
    pieces = b"".join(iter(lambda: f.read(7), b""))
t.eq(pieces, t.read(d + "README"), "read in pieces of 7 bytes")
names = set()
for line in t.read(d + "stats").decode().splitlines():
    if line.startswith("#"):
        m = re.fullmatch(r"# (HELP [a-z_:0-9]+ .+|TYPE [a-z_:0-9]+ (counter|gauge|histogram|summary|untyped))", line)
        t.ok(m, "comment line of stats: " + line)
    else:
        m = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(\w+="[^"\\\n]*",?)*\})? (-?[0-9.eE+]+|NaN|\+Inf)', line)
        t.ok(m, "sample line of stats: " + line)
        t.ok(line.split(" ")[0] not in names, "a sample twice: " + line)
        names.add(line.split(" ")[0])
t.ok(any(n.startswith("ontapfs_nfs_calls_total{") for n in names), "NFS calls are counted")
t.ok(any(n.startswith("ontapfs_fuse_requests_total{") for n in names), "FUSE requests are counted")
