#!/usr/bin/env python3
"""Makes the simulator say all that it can: every collection and record, in every form of fields, by every account.

    sweep.py SIM-DIR
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib"))
from simrest import Rest  # noqa: E402

COLLECTIONS = (
    "/cluster/nodes", "/cluster/jobs", "/cluster/licensing/licenses", "/svm/svms", "/svm/peers",
    "/network/ip/interfaces", "/protocols/nfs/services", "/protocols/nfs/export-policies", "/storage/aggregates",
    "/storage/volumes", "/storage/snapshot-policies", "/storage/file/clone/split-status", "/storage/qtrees",
    "/storage/flexcache/flexcaches", "/snapmirror/relationships", "/security/accounts", "/security/roles",
    "/private/cli/volume/recovery-queue", "/no/such/thing")


def look(rest, path):
    """A collection and what is in it."""
    rest.call("OPTIONS", path)
    rest.call("DELETE", path)
    rest.get(path, fields="no.such.field")
    rest.get(path, max_records=1)
    rest.get(path, return_records="false")
    rest.get(path)
    for fields in ("*", "**"):
        r = rest.get(path, fields=fields)
    if r.status != 200:
        return
    for rec in r.records:
        href = rec.get("_links", {}).get("self", {}).get("href")
        if href and href.rstrip("/").count("/") > path.count("/") + 1:
            rest.get(href)
            rest.get(href, fields="**")


def change(rest, store):
    """Objects of every kind, and refusals of every kind."""
    vol = "/storage/volumes"
    uuid = rest.uuid("project1")
    snaps = "%s/%s/snapshots" % (vol, uuid)
    rest.do("POST", snaps, {"name": "sweep", "comment": "c", "snapmirror_label": "l"})
    rest.call("POST", snaps, {"name": "sweep"}, return_timeout=10)
    rest.call("POST", snaps, {"name": "a/b"})
    rest.call("POST", snaps, {"nmae": "x"})
    rest.do("POST", snaps, {"name": "now"}, return_timeout=10, return_records="true")
    rest.do("POST", vol, {"name": "sweep_clone", "svm": {"name": "svm1"}, "nas": {"path": "/sweep_clone"}, "clone": {
        "is_flexclone": True, "parent_volume": {"name": "project1"}, "parent_snapshot": {"name": "sweep"}}})
    rest.do("POST", vol + "?return_records=true",
            {"name": "sweep_group", "svm": {"name": "svm1"}, "style": "flexgroup"})
    rest.do("PATCH", vol + "/" + rest.uuid("sweep_group"), {"comment": "c", "size": "2GB"})
    rest.do("PATCH", vol + "?name=sweep_*", {"comment": "by query"})
    with open(store + "/sweep", "wb") as f:
        f.write(b"x" * 8192)
    rest.do("POST", "/storage/file/clone", {"volume": {"uuid": uuid}, "source_path": "sweep", "destination_path": "s2"},
            return_timeout=10, return_records="true")
    rest.call("POST", "/storage/file/clone", {"volume": {"uuid": uuid}, "source_path": "/sweep"})
    rest.do("POST", "/protocols/nfs/export-policies", {"name": "sweep", "svm": {"name": "svm1"}, "rules": [
        {"clients": [{"match": "10.0.0.0/8"}], "ro_rule": ["any"], "rw_rule": ["sys"], "superuser": ["none"]}]})


def main(sim):
    account = {"vsadmin": Rest(sim), "admin": Rest(sim, "admin")}
    change(account["vsadmin"], subprocess.check_output(
        [os.environ["BUILD"] + "/ontapsim", "path", sim, "project1"], text=True).strip())
    for rest in (*account.values(), Rest(sim, "admin", X_Dot_SVM_Name="svm1"), Rest(sim, Accept="application/json")):
        rest.get("/cluster")
        rest.get("/cluster", fields="**")
        for path in COLLECTIONS:
            look(rest, path)
        for r in rest.get("/security/roles").records:
            look(rest, "/security/roles/%s/%s/privileges" % (r["owner"]["uuid"], r["name"]))
        for r in rest.get("/storage/volumes").records:
            look(rest, "/storage/volumes/%s/snapshots" % r["uuid"])
        for r in rest.get("/protocols/nfs/export-policies", fields="id").records:
            look(rest, "/protocols/nfs/export-policies/%d/rules" % r["id"])
        rest.get("/storage/volumes", is_constituent="true", fields="*")
    stranger = Rest(sim)
    stranger.auth = "vsadmin:wrong"
    stranger.get("/cluster")


if __name__ == "__main__":
    main(sys.argv[1])
