#!/usr/bin/env python3
"""limitVolumeSize: a larger volume is EDQUOT and not made; splitOnClone: a new clone is split at once and moves to the root."""
# needs: own-mount
# cells: mkdir/root
import errno
import json
import os
import ontapfs_test as t


def backend(sim, name, **keys):
    with open(sim.backend, encoding="utf-8") as f:
        conf = json.load(f)
    conf.update(keys)
    path = "%s/%s.json" % (t.WORK, name)
    t.write(path, json.dumps(conf), mode=0o600)
    return path


with t.own_sim() as sim:
    allow = "allow=volume.create+snapshot.create+clone.create"
    for name, limit, want in (("small", "1Gi", errno.EDQUOT), ("enough", "2Gi", 0), ("none", "", 0)):
        with t.Gateway(backend(sim, name, limitVolumeSize=limit, defaults={"size": "2Gi"}), t.WORK + "/" + name, allow) as gw:
            t.eq(t.name_of(t.errno_of(os.mkdir, gw.mnt + "/" + name)), t.name_of(want), "limitVolumeSize " + name)
            t.eq(name in t.rest_volumes(sim.dir), not want, "made")
            if want:
                t.ok("limitVolumeSize" in t.last_error(gw.mnt), t.last_error(gw.mnt))
    with t.Gateway(backend(sim, "split", defaults={"splitOnClone": "true"}), t.WORK + "/split", allow) as gw:
        vol = gw.mnt + "/project1/"
        t.write(vol + "f", "bytes")
        os.mkdir(vol + ".snapshots/s")
        for name, fn, args in (("c1", os.symlink, ("project1@s", gw.mnt + "/c1")), ("c2", os.mkdir, (vol + ".clones/c2",))):
            fn(*args)
            t.wait_for(lambda n=name: not t.rest_volume(n, sim.dir).get("clone", {}).get("is_flexclone"), "the split of " + name, 20)
            root = gw.mnt + "/" + name
            t.wait_for(lambda r=root: os.path.isdir(r) and not os.path.islink(r), name + " at the root", 40)
            t.eq(t.read(root + "/f"), b"bytes", "its file")
            t.ok(name not in os.listdir(vol + ".clones"), "not in .clones any more")
    with t.Gateway(sim.backend, t.WORK + "/whole", allow) as gw:
        os.mkdir(gw.mnt + "/project1/.clones/c3")
        t.ok(t.rest_volume("c3", sim.dir)["clone"]["is_flexclone"], "without the key nothing is split")
