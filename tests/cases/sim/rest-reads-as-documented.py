#!/usr/bin/env python3
"""Reading by REST: fields, filters, order, pages, counts, links, accounts, errors."""
# needs: own-mount
import ontapfs_test as t
from simrest import Rest

sim = t.Sim(t.WORK + "/sim")
VOL = "/storage/volumes"
SIZES = {"alpha": 30 << 20, "beta": 20 << 20, "gamma": 40 << 20, "delta": 20 << 20}


def names(**query):
    return sorted(n for n in rest.get(VOL, **query).names if n in SIZES)


def refused(r, status, code, what):
    t.eq((r.status, r.code), (status, code), what)


try:
    sim.up()
    rest, admin = Rest(sim.dir), Rest(sim.dir, "admin")
    for n, size in SIZES.items():
        rest.do("POST", VOL, {"name": n, "svm": {"name": "svm1"}, "aggregates": [{"name": "aggr1"}], "size": size,
                              "comment": "" if n == "beta" else "about " + n,
                              "nas": {"path": "/" + n} if n != "delta" else {}})

    # Fields: absent, empty, *, **, parents, of one object.
    one = VOL + "/" + rest.uuid("alpha")
    keys = {"uuid", "name", "_links"}
    t.eq(set(rest.get(VOL, max_records=1).records[0]), keys, "without fields")
    t.eq(set(rest.get(VOL + "?fields=&max_records=1").records[0]), keys, "with empty fields")
    std, every = rest.get(one, fields="*").body, rest.get(one, fields="**").body
    t.eq(set(rest.get(one).body), set(std), "one object without fields is with *")
    t.ok("path" not in std["nas"] and "name" in std["nas"]["export_policy"], "* leaves out what is expensive")
    t.ok(every["nas"]["path"] == "/alpha" and set(std) <= set(every), "** is everything")
    t.eq(set(rest.get(one, fields="size,nas.path").body), keys | {"size", "nas"}, "fields by name")
    t.eq(rest.get(one, fields="nas.path").body["nas"], {"path": "/alpha"}, "a field, not its parent")
    t.ok({"path", "export_policy", "security_style"} <= set(rest.get(one, fields="nas").body["nas"]), "a parent")
    t.ok("nas" not in rest.get(VOL, name="delta", fields="nas.path").records[0], "what is unset is absent")
    refused(rest.get(VOL, fields="nmae"), 400, 262197, "an unknown field")
    t.eq(rest.get(VOL, fields="name,nmae", ignore_unknown_fields="true").status, 200, "which may be ignored")

    # Filters.
    for query, want in (
            ({"name": "alpha"}, ["alpha"]),
            ({"name": "!alpha", "size": "<100MB"}, ["beta", "delta", "gamma"]),
            ({"name": "*a*m*"}, ["gamma"]),
            ({"name": "alpha|beta|nobody"}, ["alpha", "beta"]),
            ({"name": "al*|ga*"}, ["alpha", "gamma"]),
            ({"size": ">30MB", "name": "*"}, ["gamma"]),
            ({"size": ">=30MB", "name": "*a"}, ["alpha", "gamma"]),
            ({"size": "<=%d" % (20 << 20)}, ["beta", "delta"]),
            ({"size": "20MB..30MB"}, ["alpha", "beta", "delta"]),
            ({"nas.path": "null"}, ["delta"]),
            ({"nas.path": "!null", "size": "<31MB"}, ["alpha", "beta"]),
            ({"nas.path": "!/alpha", "size": "<31MB"}, ["beta"]),
            ({"svm": "svm1", "name": "beta"}, ["beta"]),
            ({"svm.name": "svm2"}, []),
            ({"clone.is_flexclone": "false", "name": "beta"}, ["beta"])):
        t.eq(names(**query), want, "filter %r" % query)
    t.eq(rest.get(VOL, name="alpha", size=">1").records[0]["size"], SIZES["alpha"], "filtered fields are shown")
    refused(rest.get(VOL, nmae="x"), 400, 262197, "a filter by an unknown field")
    r = rest.get(VOL, name="nobody")
    t.eq((r.status, r.records, r.body["num_records"]), (200, [], 0), "nothing found")
    t.eq(rest.get("/network/ip/interfaces", services="data_nfs", fields="services").body["num_records"], 1,
         "membership in a list")

    # Order, counts, pages.
    few = "alpha|beta|gamma|delta"
    t.eq(rest.get(VOL, name=few, order_by="name").names, ["alpha", "beta", "delta", "gamma"], "order")
    t.eq(rest.get(VOL, name=few, order_by="size desc,name desc").names, ["gamma", "alpha", "delta", "beta"], "order")
    t.eq(rest.get(VOL, order_by="size up").status, 400, "a wrong order")
    r = rest.get(VOL, name=few, return_records="false").body
    t.ok(r["num_records"] == 4 and "records" not in r, "only the count")
    got, r = [], rest.get(VOL, name=few, order_by="size desc,name", max_records=3, fields="size")
    while True:
        got += r.names
        t.eq(r.body["num_records"], len(r.records), "num_records of a page")
        if "next" not in r.body["_links"]:
            break
        t.ok(r.body["_links"]["next"]["href"].startswith("/api/storage/volumes?"), "next is a path")
        rest.do("POST", VOL + "/" + rest.uuid("alpha") + "/snapshots", {"name": "s%d" % len(got)})
        r = rest.get(r.body["_links"]["next"]["href"])
        t.ok("size" in r.records[0], "the next page has the same fields")
    t.eq(got, ["gamma", "alpha", "beta", "delta"], "all pages")
    for bad in ({"max_records": "0"}, {"max_records": "x"}, {"return_timeout": "121"}, {"return_timeout": "-1"}):
        t.eq(rest.get(VOL, **bad).status, 400, "%r" % bad)

    # Links: left out exactly for application/json, all but next.
    plain = Rest(sim.dir, Accept="application/json")
    r = plain.get(VOL, max_records=1, fields="svm").body
    t.ok(set(r["_links"]) == {"next"} and "_links" not in r["records"][0], "application/json")
    t.ok("_links" not in r["records"][0]["svm"], "application/json, deeper")
    for accept in ("application/hal+json", "*/*", "text/plain"):
        r = Rest(sim.dir, Accept=accept).get(VOL, max_records=1)
        t.eq(r.records[0]["_links"]["self"]["href"], "/api/storage/volumes/" + r.records[0]["uuid"], accept)

    # Accounts and tunnels.
    refused(rest.get("/cluster/nodes"), 403, 6, "an SVM account and nodes")
    t.eq(admin.get("/cluster/nodes", name="*", fields="serial_number").body["num_records"], 2, "nodes")
    refused(Rest(sim.dir, "admin", X_Dot_SVM_Name="svm1").get("/cluster/nodes"), 403, 6, "nodes by a tunnel")
    t.eq(Rest(sim.dir, "admin", X_Dot_SVM_Name="svm1").get(VOL, name="alpha").names, ["alpha"], "a tunnel")
    t.eq(Rest(sim.dir, "admin", X_Dot_SVM_Name="nobody").get(VOL).status, 400, "a tunnel to nowhere")
    t.eq(rest.get("/security/accounts").names, ["vsadmin"], "an SVM account sees itself")
    t.eq(sorted(admin.get("/security/accounts").names), ["admin", "vsadmin"], "the cluster's sees all")
    t.eq(rest.get("/security/roles", name="vsadmin").names, ["vsadmin"], "its role")
    t.ok("flexclone" in admin.get("/cluster/licensing/licenses").names, "licences")
    t.eq(rest.get("/svm/peers", fields="peer.svm.name").records, [], "peers")
    stranger = Rest(sim.dir)
    stranger.auth = "vsadmin:wrong"
    r = stranger.get("/cluster")
    t.eq((r.status, r.code), (401, 6691623), "a wrong password")
    t.ok("Basic" in r.headers["WWW-Authenticate"], "401 says how")

    # Errors of the address and the verb.
    refused(rest.get("/no/such/thing"), 404, 3, "an unknown path")
    refused(rest.get(VOL + "/00000000-0000-4000-8000-000000000000"), 404, 4, "an unknown object")
    r = rest.call("POST", "/cluster/nodes", {})
    t.eq(r.status, 403, "forbidden comes first")
    r = admin.call("POST", "/cluster/nodes", {})
    t.ok(r.status == 405 and "POST" not in r.headers["Allow"], "a verb that is not there")
    t.eq(rest.get("/storage/file/clone").status, 405, "nothing to read")
finally:
    sim.destroy()
