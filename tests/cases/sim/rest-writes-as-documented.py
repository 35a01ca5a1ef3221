#!/usr/bin/env python3
"""Writing by REST: names, jobs, snapshots, clones, restore, file clones, junctions, the recovery queue."""
# needs: own-mount
import os
import ontapfs_test as t
from simrest import Rest

sim = t.Sim(t.WORK + "/sim")
VOL = "/storage/volumes"


def refused(status, code, method, path, body, **query):
    """An error at once."""
    r = rest.call(method, path, body, **query)
    t.eq((r.status, r.code), (status, code), "%s %s %r" % (method, path, body))


def fails(code, method, path, body, **query):
    """Accepted, and the job fails; the same as an error when the client waits for it."""
    r = rest.call(method, path, body, **query)
    t.eq(r.status, 202, "%s %s %r" % (method, path, body))
    j = rest.job(r)
    t.eq((j["state"], j["code"]), ("failure", code), "%s %s %r" % (method, path, body))
    r = rest.call(method, path, body, return_timeout=20, **query)
    t.eq(r.code, code, "%s %s, waited for" % (method, path))


def volume(name, **more):
    return {"name": name, "svm": {"name": "svm1"}, "aggregates": [{"name": "aggr1"}], **more}


def clone(name, parent, **more):
    return {"name": name, "svm": {"name": "svm1"}, "clone": {"is_flexclone": True, "parent_volume": {"name": parent},
                                                             **more}}


try:
    sim.up()
    rest = Rest(sim.dir)

    # What the request alone gets wrong.
    for name, code in (("1st", 917887), ("", 917887), ("a-b", 917888), ("a" * 204, 917886)):
        refused(400, code, "POST", VOL, volume(name))
    refused(400, 917886, "POST", VOL, {"name": "g" * 198, "svm": {"name": "svm1"}, "style": "flexgroup"})
    refused(400, 2621707, "POST", VOL, {"name": "x", "aggregates": [{"name": "aggr1"}]})
    refused(400, 2621462, "POST", VOL, {"name": "x", "svm": {"name": "other"}, "style": "flexgroup"})
    refused(400, 787140, "POST", VOL, {"name": "x", "svm": {"name": "svm1"}})
    refused(400, 917508, "POST", VOL, {"name": "x", "svm": {"name": "svm1"}, "aggregates": [{"name": "nope"}]})
    refused(400, 262197, "POST", VOL, volume("x", nmae=1))
    refused(400, 262196, "POST", VOL, volume("x", create_time="2024-01-01T00:00:00Z"))
    refused(400, 262247, "POST", VOL, volume("x", size="much"))
    refused(400, 917835, "POST", VOL, volume("x", space={"snapshot": {"reserve_percent": 91}}))
    refused(400, 917551, "POST", VOL, volume("x", snapshot_policy={"name": "nope"}))
    refused(400, 918271, "POST", VOL, volume("x", nas={"export_policy": {"name": "nope"}}))
    for path in ("x", "/x/", "/a*b", "//x", "/a/../b"):
        refused(400, 918252, "POST", VOL, volume("x", nas={"path": path}))

    # Jobs: 202 without return_timeout, 201 with the object's address after it.
    r = rest.call("POST", VOL, volume("v1", nas={"path": "/v1"}, encryption={"enabled": False}))
    t.eq((r.status, r.headers["Location"]), (202, "/api/storage/volumes/?name=v1"), "POST")
    j = rest.job(r)
    t.eq((j["state"], j["code"], j["description"]), ("success", 0, "POST /api/storage/volumes"), "its job")
    r = rest.call("POST", VOL, volume("v2"), return_timeout=20, return_records="true")
    v2 = VOL + "/" + rest.uuid("v2")
    t.eq((r.status, r.headers["Location"], r.records[0]["name"]), (201, "/api" + v2, "v2"), "POST and wait")
    t.eq(rest.get(v2, fields="size").body["size"], 20 << 20, "the smallest size is the default")
    fails(917526, "POST", VOL, volume("v1"))
    fails(917534, "POST", VOL, volume("v3", size=1 << 20))
    fails(918252, "POST", VOL, volume("v3", nas={"path": "/no/parent"}))
    fails(918252, "POST", VOL, volume("v3", nas={"path": "/V1"}))

    # Resize, rename, mount, unmount, offline.
    v1 = VOL + "/" + rest.uuid("v1")
    rest.do("PATCH", v1, {"size": "1GB", "comment": "c"})
    t.eq(rest.get(v1).body["size"], 1 << 30, "resized")
    rest.do("PATCH", v1, {"nas": {"path": "/moved"}})
    t.eq(rest.get(v1, fields="nas.path").body["nas"]["path"], "/moved", "another junction")
    rest.do("PATCH", v2, {"nas": {"path": "/moved/inside"}})
    fails(524486, "PATCH", v1, {"nas": {"path": ""}})
    rest.do("PATCH", v2, {"nas": {"path": ""}})
    t.ok("nas" not in rest.get(v2, fields="nas.path").body, "unmounted")
    rest.do("PATCH", v1, {"state": "offline"})
    t.ok("nas" not in rest.get(v1, fields="nas.path").body, "offline drops the junction")
    fails(524479, "POST", v1 + "/snapshots", {"name": "s"})
    rest.do("PATCH", v1, {"state": "online", "nas": {"path": "/v1"}})
    rest.do("PATCH", VOL + "?name=v1|v2", {"comment": "both"})
    t.eq(sorted(rest.get(VOL, comment="both").names), ["v1", "v2"], "PATCH by query")
    t.eq(rest.call("PATCH", VOL, {"comment": "all"}).status, 400, "PATCH of all")

    # Snapshots: names, busy ones, restore.
    snaps, folder = v1 + "/snapshots", sim.path("v1")
    for name in ("", "a/b", " a", "a*"):
        refused(400, 1638518, "POST", snaps, {"name": name})
    for i in (1, 2, 3):
        t.write(folder + "/f", "state %d" % i)
        rest.do("POST", snaps, {"name": "s%d" % i})
    fails(525059, "POST", snaps, {"name": "s1"})
    t.eq(rest.get(snaps).names, ["s1", "s2", "s3"], "in order of age")
    s = {r["name"]: snaps + "/" + r["uuid"] for r in rest.get(snaps).records}
    t.ok("owners" not in rest.get(s["s1"]).body, "nobody owns it")
    fails(525059, "PATCH", s["s1"], {"name": "s2"})
    rest.do("POST", VOL, clone("c1", "v1", parent_snapshot={"name": "s1"}))
    c1 = VOL + "/" + rest.uuid("c1")
    t.eq(rest.get(s["s1"]).body["owners"], ["volume_clone"], "the clone owns it")
    fails(1638555, "DELETE", s["s1"], {})
    fails(1638476, "PATCH", s["s1"], {"name": "other"})
    fails(524615, "DELETE", v1, {})
    of = {"clone.parent_volume.name": "v1", "clone.parent_snapshot.name": "s1"}
    t.eq(rest.get(VOL, **of).names, ["c1"], "clones")
    got = rest.get(c1, fields="clone,nas.path,size").body
    t.eq((got["clone"]["parent_svm"]["name"], "nas" in got, got["size"]), ("svm1", False, 1 << 30), "the clone")
    t.eq(rest.get(c1 + "/snapshots").names, ["s1"], "it has the snapshots up to its base")
    refused(400, 918247, "POST", VOL, {**clone("c2", "v1"), "size": 1 << 30})
    refused(404, 524601, "POST", VOL, clone("c2", "nobody"))
    refused(404, 1638400, "POST", VOL, clone("c2", "v1", parent_snapshot={"name": "s9"}))
    refused(400, 918251, "PATCH", v1, {"comment": "x"}, **{"restore_to.snapshot.name": "s2"})
    rest.do("PATCH", v1 + "?restore_to.snapshot.name=s2", {})
    t.eq(t.read(sim.path("v1") + "/f"), b"state 2", "restored")
    t.eq(rest.get(snaps).names, ["s1", "s2"], "the newer snapshot is gone")
    rest.do("PATCH", c1, {"clone": {"split_initiated": True}})
    t.eq(rest.get(c1, fields="clone").body["clone"], {"is_flexclone": False, "has_flexclone": False}, "after a split")
    refused(400, 262196, "PATCH", c1, {"clone": {"split_complete_percent": 3}})
    rest.do("DELETE", s["s1"])

    # Without the licence no clone.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "license", "remove", "flexclone")
    refused(400, 3, "POST", VOL, clone("c2", "v1"))
    t.run(t.ONTAPSIM, "ctl", sim.dir, "license", "add", "flexclone")

    # Clones of files and of ranges, out of a snapshot too.
    folder = sim.path("v1")
    data = b"".join(t.stamped(i) for i in range(4)) + b"tail"
    t.write(folder + "/src", data)
    os.chmod(folder + "/src", 0o640)
    rest.do("POST", snaps, {"name": "files"})
    os.truncate(folder + "/src", 0)
    fc = {"volume": {"uuid": v1.rsplit("/", 1)[1]}, "source_path": ".snapshot/files/src", "destination_path": "dst"}
    rest.do("POST", "/storage/file/clone", fc)
    t.eq(t.read(folder + "/dst"), data, "a file out of a snapshot")
    t.eq(os.stat(folder + "/dst").st_mode & 0o777, 0o640, "its mode")
    fails(13565952, "POST", "/storage/file/clone", fc)
    t.write(folder + "/dst", bytes(5 * 4096))
    rest.do("POST", "/storage/file/clone", {**fc, "range": ["1:0:2", "4:3:1"]})
    t.eq(t.read(folder + "/dst"), data[4096:3 * 4096] + bytes(4096) + b"tail" + bytes(2 * 4096 - 4), "ranges")
    rest.do("POST", "/storage/file/clone", {**fc, "overwrite_destination": True})
    t.eq(t.read(folder + "/dst"), data, "over another file")
    refused(400, 917812, "POST", "/storage/file/clone", {**fc, "source_path": "/src"})
    refused(400, 917898, "POST", "/storage/file/clone", {**fc, "range": ["0:0:2", "5:1:1"]})
    refused(400, 917898, "POST", "/storage/file/clone", {**fc, "range": ["one"]})
    os.symlink("/etc", folder + "/out")
    for path in ("nobody", ".snapshot/nobody/src", "out/passwd", "../src"):
        fails(917864, "POST", "/storage/file/clone", {**fc, "source_path": path, "destination_path": "new"})
    t.ok(not os.path.exists(folder + "/new"), "a failed clone left a file")

    # FlexGroup: constituents only on request, and no lower size than theirs.
    rest.do("POST", VOL, {"name": "group", "svm": {"name": "svm1"}, "style": "flexgroup"})
    t.eq(rest.get(VOL, name="group*").names, ["group"], "constituents are not listed")
    parts = ["group__%04d" % i for i in range(1, 9)]
    t.eq(rest.get(VOL, name="group*", is_constituent="true").names, parts, "but here")
    got = rest.get(VOL, name="group", fields="constituents,constituent_count,size").records[0]
    t.eq((len(got["constituents"]), got["constituent_count"], got["size"]), (8, 8, 8 * 200 << 20), "constituents")
    fails(917534, "PATCH", VOL + "/" + rest.uuid("group"), {"size": 1 << 30})

    # The recovery queue: out of sight, its name free again, purged.
    rest.do("DELETE", v2)
    t.eq(rest.get(VOL, name="v2*").names, [], "deleted")
    refused(404, 4, "DELETE", v2, {})
    queue = "/private/cli/volume/recovery-queue"
    name = rest.get(queue, vserver="svm1", volume="v2*").records[0]["volume"]
    rest.do("POST", VOL, volume("v2"))
    rest.do("POST", queue + "/purge", {"vserver": "svm1", "volume": name})
    t.eq(rest.get(queue, volume="v2*").records, [], "purged")
    rest.do("DELETE", VOL + "/" + rest.uuid("v2") + "?force=true")
    t.eq(rest.get(queue, volume="v2*").records, [], "forced past the queue")
    fails(917531, "DELETE", VOL + "/" + rest.uuid("svm1_root"), {})

    # Export policies are synchronous.
    pol = "/protocols/nfs/export-policies"
    rule = {"clients": [{"match": "10.0.0.0/8"}], "ro_rule": ["any"], "rw_rule": ["any"], "superuser": ["any"]}
    r = rest.call("POST", pol, {"name": "p", "svm": {"name": "svm1"}, "rules": [rule]})
    t.eq(r.status, 201, "a policy")
    p = "%s/%d" % (pol, rest.get(pol, name="p", fields="id").records[0]["id"])
    t.eq(r.headers["Location"], "/api" + p, "its address")
    t.eq(rest.call("POST", p + "/rules", rule).code, 1704070, "the same rule")
    rest.do("PATCH", v1, {"nas": {"export_policy": {"name": "p"}}})
    t.eq(rest.call("DELETE", p, {}).code, 1703945, "a policy in use")
    rest.do("PATCH", v1, {"nas": {"export_policy": {"name": "default"}}})
    t.eq(rest.call("DELETE", p, {}).status, 200, "no longer")
finally:
    sim.destroy()
