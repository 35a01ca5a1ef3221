#!/usr/bin/env python3
"""Volumes made up by rule are listed, filtered and paged like the others, and refuse changes."""
# needs: own-mount
# not-on: ganesha (it does not serve them)
import ontapfs_test as t


def pages(sim, path):
    """Names page by page."""
    out = []
    while path:
        body = t.rest("GET", path, sim=sim)[1]
        out.append([r["name"] for r in body["records"]])
        path = body.get("_links", {}).get("next", {}).get("href", "")[len("/api"):]
    return out


with t.own_sim("--synthetic-volumes", 25, "--synthetic-snapshots", 7) as sim:
    want = ["svm1_root", "project1", "imagenet", "trident_pvc"] + ["synth%05d" % i for i in range(1, 26)]
    for size in (1, 3, 4, 5, 29, 10000):
        got = pages(sim.dir, "/storage/volumes?fields=name&max_records=%d" % size)
        t.eq([n for p in got for n in p], want, "names in pages of %d" % size)
        t.ok(all(len(p) == size for p in got[:-1]), "pages of %d are full" % size)
    got = pages(sim.dir, "/storage/volumes?fields=name&max_records=4&order_by=name%20desc")
    t.eq([n for p in got for n in p], sorted(want, reverse=True), "ordered pages")
    got = pages(sim.dir, "/storage/volumes?fields=name&max_records=2&name=synth*7|project*")
    t.eq([n for p in got for n in p], ["project1", "synth00007", "synth00017"], "filtered pages")
    # A constituent comes behind all volumes, on whatever page.
    got = pages(sim.dir, "/storage/volumes?fields=name&max_records=10&is_constituent=*")
    t.eq([n for p in got for n in p][:29], want, "volumes before constituents")
    t.eq(sum(len(p) for p in got), 29 + 8, "with the constituents")

    rec = t.rest_volume("synth00025", sim.dir)
    t.eq((rec["nas"]["path"], rec["snapshot_count"] if "snapshot_count" in rec else 7), ("/synth00025", 7), "a record")
    t.eq(t.rest_volume("synth00026", sim.dir), None, "no volume behind the last")
    t.eq(t.rest_volume("synth25", sim.dir), None, "no other spelling")
    t.eq(t.rest("GET", "/storage/volumes/" + rec["uuid"], sim=sim.dir)[1]["name"], "synth00025", "by uuid")

    snaps = t.rest_snapshots("synth00025", sim.dir)
    t.eq(list(snaps), ["synthetic.%04d" % j for j in range(1, 8)], "snapshots")
    one = "/storage/volumes/%s/snapshots/%s" % (rec["uuid"], snaps["synthetic.0007"])
    t.eq(t.rest("GET", one, sim=sim.dir)[1]["volume"]["name"], "synth00025", "a snapshot by uuid")
    t.eq(t.rest("POST", "/storage/volumes/%s/snapshots?return_timeout=15" % rec["uuid"], {"name": "x"}, sim.dir, check=False)[0],
         404, "no snapshot is made")
    for path in (one, "/storage/volumes/" + rec["uuid"]):
        t.ok(t.rest("DELETE", path + "?return_timeout=15", None, sim.dir, check=False)[0] >= 400, "DELETE %s is refused" % path)
    t.eq(len(t.rest_snapshots("synth00025", sim.dir)), 7, "nothing changed")
