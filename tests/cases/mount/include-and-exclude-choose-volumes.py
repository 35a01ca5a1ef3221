#!/usr/bin/env python3
"""include and exclude choose what the tree shows; exclude wins; a clone whose parent is left out is an ordinary volume at the root."""
# needs: own-mount
# cells: readdir/root
import errno
import os
import ontapfs_test as t

with t.own_sim() as sim:
    t.rest_snapshot_create("s", sim=sim.dir)
    t.rest_clone_create("exp1", "s", sim=sim.dir)
    t.rest_clone_create("exp2", "s", sim=sim.dir)

    def shown(*opts, name):
        with t.Gateway(sim.backend, t.WORK + "/" + name, *opts) as gw:
            status = t.read(gw.mnt + "/.ontap/status").decode()
            out = sorted(os.listdir(gw.mnt))
            for v in ("project1", "imagenet", "trident_pvc", "exp1", "exp2"):
                if v not in out:
                    t.expect(errno.ENOENT, os.stat, gw.mnt + "/" + v)
                    t.expect(errno.ENOENT, os.lstat, gw.mnt + "/" + v + "@s")
                    t.ok("%s: " % v in status, "status tells why %s is left out:\n%s" % (v, status))
            links = [n for n in out if os.path.islink(gw.mnt + "/" + n)]
            return out, links
    t.eq(shown(name="all"), (["exp1", "exp2", "imagenet", "project1", "trident_pvc"], ["exp1", "exp2"]), "without patterns")
    t.eq(shown("include=proj*+exp1", name="inc"), (["exp1", "project1"], ["exp1"]), "include")
    t.eq(shown("exclude=exp*+trident_pvc", name="exc"), (["imagenet", "project1"], []), "exclude")
    t.eq(shown("include=*1", "exclude=exp[0-9]", name="both"), (["project1"], []), "exclude wins")
    t.eq(shown("include=exp?", name="orphans"), (["exp1", "exp2"], []), "clones without their parent are volumes")
