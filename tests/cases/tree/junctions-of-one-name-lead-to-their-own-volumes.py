#!/usr/bin/env python3
"""Volumes mounted inside of others at paths with one last component: each link leads to the right volume, also where the tree is bound to another path."""
# needs: own-mount
# not-on: ganesha (its NFSv3 shows no other volume at a junction)
import os
import ontapfs_test as t

with t.own_sim() as sim:
    # Names against the order of the paths, and a stranger called like the junctions.
    at = {"vola": "/vola", "volb": "/volb", "inner2": "/vola/data", "inner1": "/volb/data", "data": "/elsewhere",
          "inner3": "/vola/data/data",
          "deep": "/volb/one/two/deep"}
    for name, path in at.items():
        if name == "deep":
            os.makedirs(sim.path("volb") + "/one/two")
        t.rest_job("POST", "/storage/volumes", {"name": name, "svm": {"name": "svm1"}, "aggregates": [{"name": "aggr1"}],
                                                "size": 1 << 30, "nas": {"path": path}}, sim.dir)
        t.write(sim.path(name) + "/marker", "this is " + name)
    want = {"vola/data": "inner2", "volb/data": "inner1", "inner2/data": "inner3", "volb/one/two/deep": "deep"}
    for order in (list(want), list(want)[::-1]):
        # A fresh mount each: no volume is known before its junction is looked at.
        with t.Gateway(sim.backend, t.WORK + "/mnt-" + order[0].replace("/", "-")) as gw:
            for junction in order:
                path = gw.mnt + "/" + junction
                t.ok(os.path.islink(path), junction + " is a link")
                t.ok(not os.readlink(path).startswith("/"), junction + " is relative: " + os.readlink(path))
                t.eq(os.path.realpath(path), gw.mnt + "/" + want[junction], "target of " + junction)
                t.eq(t.read(path + "/marker"), b"this is " + want[junction].encode(), "bytes through " + junction)
            os.makedirs(t.WORK + "/bound", exist_ok=True)
            script = 'set -e; mount --make-rprivate /; mount --bind "$1" "$2"; umount "$1"; cd "$2"; shift 2; cat "$@"'
            said = t.run("unshare", "-m", "sh", "-c", script, "sh", gw.mnt, t.WORK + "/bound", *[j + "/marker" for j in order])
            t.eq(said.stdout, "".join("this is " + want[j] for j in order), "through the junctions of a bound tree")
            for name in at:
                t.eq(t.read("%s/%s/marker" % (gw.mnt, name)), b"this is " + name.encode(), "bytes of " + name)
            with os.scandir(gw.mnt + "/vola") as it:
                kinds = {e.name: e.is_symlink() for e in it}
            t.eq(kinds, {"marker": False, "data": True}, "kinds in the listing")
