#!/usr/bin/env python3
# needs: own-mount
# not-on: ganesha (junctions cannot be crossed by LOOKUP)
"""A volume that others mount inside another one is entered there as soon as it exists."""
import os

import ontapfs_test as t


def make(s, name, path):
    t.rest_job("POST", "/storage/volumes", {
        "name": name, "svm": {"name": "svm1"}, "aggregates": [{"name": "aggr1"}], "size": "100MB",
        "nas": {"path": path, "unix_permissions": "0777"}}, sim=s.dir)


with t.own_mount("catalog_refresh=3600") as (sim, gw):
    inside = os.path.join(gw.mnt, "project1")
    t.eq(os.listdir(inside), [], "project1 is empty")
    make(sim, "later", "/project1/later")
    t.write(os.path.join(inside, "later", "file"), b"x")
    t.eq(t.read(os.path.join(t.store("later", sim=sim.dir), "file")), b"x", "what was written arrives in the new volume")
    t.eq(os.readlink(os.path.join(inside, "later")), "../later", "the junction is a link")
