#!/usr/bin/env python3
"""The Grafana dashboard is a whole model, and each metric and label in it is one that .ontap/stats has."""
import json
import os
import re
import ontapfs_test as t

with open(os.path.join(t.TOP, "packaging/grafana/ontapfs.json"), encoding="utf-8") as f:
    board = json.load(f)
# A request that every family of metrics by volume has a line for.
os.listdir(t.MNT + "/project1")
have, labels = set(), {}
for line in t.read(t.MNT + "/.ontap/stats").decode().splitlines():
    m = re.match(r"(ontapfs_\w+)(?:\{(.*)\})? \S+$", line)
    if m:
        have.add(m.group(1))
        labels.setdefault(m.group(1), set()).update(re.findall(r'(\w+)="', m.group(2) or ""))
t.ok(len(have) > 30, "metrics: %d" % len(have))

t.eq([k for k in ("title", "uid", "schemaVersion", "panels", "templating", "time", "annotations") if k not in board], [], "parts")
variables = {v["name"] for v in board["templating"]["list"]} | {"__rate_interval"}
panels = board["panels"]
t.eq(len({p["id"] for p in panels}), len(panels), "ids")
cells = [(x, y) for p in panels for g in [p["gridPos"]] for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
t.eq((len(cells), max(x for x, _ in cells) < 24), (len(set(cells)), True), "panels do not overlap and fit")
used = 0
for p in panels:
    t.ok(p["type"] and p["title"] and p["targets"] and p["fieldConfig"]["defaults"]["unit"], "a panel: %s" % p["title"])
    t.eq(len({q["refId"] for q in p["targets"]}), len(p["targets"]), "refIds of " + p["title"])
    for q in p["targets"]:
        e = q["expr"]
        t.eq((e.count("("), e.count("{"), e.count("[")), (e.count(")"), e.count("}"), e.count("]")), "brackets: " + e)
        t.eq(set(re.findall(r"\$\{?(\w+)", e + q["datasource"]["uid"])) - variables, set(), "variables: " + e)
        names = re.findall(r"ontapfs_\w+", e)
        t.eq([n for n in names if n not in have], [], "metrics of " + p["title"])
        for name, inside in re.findall(r"(ontapfs_\w+)\{([^}]*)\}", e):
            asked = set(re.findall(r"(\w+)=~", inside)) - {"instance"}
            t.eq(asked - labels[name], set(), "labels: " + e)
        by = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", e)))) - {"instance"}
        t.eq(by - set().union(*[labels[n] for n in names]), set(), "grouped by: " + e)
        t.eq(set(re.findall(r"\{\{(\w+)\}\}", q["legendFormat"])) - by - {"instance"}, set(), "legend: " + e)
        used += len(names)
t.ok(used > 20, "the dashboard asks for metrics: %d" % used)
for v in board["templating"]["list"]:
    t.eq([n for n in re.findall(r"ontapfs_\w+", v.get("definition", "")) if n not in have], [], "variable " + v["name"])
