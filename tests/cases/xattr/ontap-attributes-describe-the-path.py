#!/usr/bin/env python3
"""ontap.kind, .uri, .json, .volume.*, .snapshot.*, .list: right at each kind of path."""
# cells: getxattr/live getxattr/snapdir getxattr/snapshot
import errno
import json
import os
import ontapfs_test as t


def get(p, n):
    return os.getxattr(p, "ontap." + n).decode()


os.mkdir(t.CASE + "/d")
t.write(t.CASE + "/f", "x")
p = t.take("a")
vu, su = t.volume_uuid("project1"), t.rest_snapshots()[t.SNAP + "a"]
vol, s = t.MNT + "/project1", t.in_snap("a")
for path, kind in ((vol, "volume"), (vol + "/.snapshots", "snapdir"), (p, "snapshot"), (t.CASE, "directory"),
                   (t.CASE + "/f", "file"), (s + "/d", "directory"), (s + "/f", "file")):
    t.eq(get(path, "kind"), kind, "kind of " + path)
svm = t.backend()["svm"]
tail = os.path.basename(t.CASE)
t.eq(get(t.CASE + "/f", "uri"), "ontap://%s/%s/%s/f" % (svm, vu, tail), "uri of a live file")
t.eq(get(s + "/f", "uri"), "ontap://%s/%s@%s/%s/f" % (svm, vu, su, tail), "uri of a frozen file")
for path in (vol, t.CASE + "/f", s + "/f"):
    t.eq((get(path, "volume.name"), get(path, "volume.uuid"), get(path, "volume.svm"), get(path, "volume.style"),
          get(path, "volume.type"), get(path, "volume.state")), ("project1", vu, svm, "flexvol", "rw", "online"), path)
    t.ok(int(get(path, "volume.size")) > 0 and int(get(path, "volume.used")) >= 0, "size and used")
    t.ok(int(get(path, "volume.snapshots")) >= 1, "number of snapshots")
t.eq(get(t.MNT + "/imagenet", "volume.style"), "flexgroup", "style of a FlexGroup")
for path in (p, s, s + "/f"):
    t.eq((get(path, "snapshot.name"), get(path, "snapshot.uuid")), (t.SNAP + "a", su), path)
    for n in ("btime", "comment"):
        get(path, "snapshot." + n)
t.expect(errno.ENODATA, os.getxattr, t.CASE + "/f", "ontap.snapshot.name")
t.expect(errno.ENODATA, os.getxattr, t.CASE + "/f", "ontap.nothing")
j = json.loads(get(s + "/f", "json"))
text = json.dumps(j)
t.ok(vu in text and su in text and "project1" in text, "json holds the identity: " + text)
# What others wrote into a comment stays a text.
t.rest_job("POST", "/storage/volumes/%s/snapshots" % vu, {"name": t.SNAP + "odd", "comment":
           '{"ontapfs":{"uid":7,"realm":"a\\b\\","request":"%s"}}' % su})
j = json.loads(get(vol + "/.snapshots/" + t.SNAP + "odd", "json"))
t.eq(j["snapshot"]["creator"], {"uid": 7, "realm": "a\\b\\", "request": su}, "a realm with a backslash")
for path in (vol, p, t.CASE + "/f"):
    names = get(path, "list").split()
    t.ok("ontap.kind" in names and "ontap.json" in names, "ontap.list: %r" % names)
    for n in names:
        if n not in ("ontap.arm", "ontap.last_error"):
            t.ok(t.errno_of(os.getxattr, path, n) in (0, errno.ENODATA), "%s at %s" % (n, path))
