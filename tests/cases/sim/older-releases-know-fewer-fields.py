#!/usr/bin/env python3
"""up --version: a field that came later is unknown, absent and not settable; 9.12.1, 9.10.1 and 9.15.1."""
# needs: own-mount
import ontapfs_test as t
from simrest import Rest

sim = t.Sim(t.WORK + "/sim")
# field, collection, release it came with
NEW = (("snapshot_directory_access_enabled", "/storage/volumes", (9, 13, 1)),
       ("_tags", "/storage/volumes", (9, 13, 1)),
       ("protocol.v3_features.mount_root_only", "/protocols/nfs/services", (9, 11, 1)),
       ("protocol.v3_features.hide_snapshot_enabled", "/protocols/nfs/services", (9, 13, 1)))
try:
    for release in ((9, 10, 1), (9, 12, 1), (9, 15, 1)):
        text = "%d.%d.%d" % release
        sim.args = ("--version", text)
        sim.up()
        rest = Rest(sim.dir)
        v = rest.get("/cluster").body["version"]
        t.eq((v["generation"], v["major"], v["minor"]), release, "the version")
        for field, path, since in NEW:
            r = rest.get(path, fields=field)
            t.eq(r.status, 200 if release >= since else 400, "%s as a field of %s" % (field, text))
            t.eq(rest.get(path, **{field: "!null"}).status, 200 if release >= since else 400, "%s as a filter" % field)
            t.eq(rest.get(path, fields=field, ignore_unknown_fields="true").status, 200, "ignored")
        vol = "/storage/volumes/" + rest.uuid("project1")
        t.eq("snapshot_directory_access_enabled" in rest.get(vol).body, release >= (9, 13, 1), "shown by " + text)
        r = rest.call("PATCH", vol, {"snapshot_directory_access_enabled": True})
        t.eq(r.status, 202 if release >= (9, 13, 1) else 400, "set in " + text)
        t.ok("san_optimized" not in rest.get("/cluster", fields="**").body, "a field of 9.16.1")
        sim.down()
finally:
    sim.destroy()
