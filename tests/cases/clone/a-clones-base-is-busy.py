#!/usr/bin/env python3
"""A snapshot that is a clone's base is EBUSY to rmdir, and last_error tells why; renaming it is EBUSY, too; without the clone it goes."""
# needs: own-mount
# cells: rmdir/snapdir rename/snapdir
import errno
import json
import os
import ontapfs_test as t

with t.own_sim() as sim:
    with open(sim.backend, encoding="utf-8") as f:
        conf = json.load(f)
    conf["skipRecoveryQueue"] = "true"
    own = t.WORK + "/backend.json"
    t.write(own, json.dumps(conf), mode=0o600)
    for source, queue in ((sim.backend, "queued"), (own, "skipped")):
        with t.Gateway(source, t.WORK + "/" + queue) as gw:
            os.chdir(gw.mnt)
            base = "project1/.snapshots/" + queue
            os.mkdir(base)
            os.symlink(base, "x")
            t.expect(errno.EBUSY, t.run_as, 0, 0, os.rmdir, base)
            t.ok("clone" in t.last_error("."), "last_error: " + t.last_error("."))
            t.expect(errno.EBUSY, os.rename, base, "project1/.snapshots/renamed")
            os.rmdir("project1/.clones/x")
            # Deleted, a clone waits in ONTAP's recovery queue and still holds its base.
            got = t.errno_of(t.run_as, 0, 0, os.rmdir, base)
            t.eq(t.name_of(got), "EBUSY" if queue == "queued" else "success", "rmdir of the base, the queue " + queue)
            os.chdir("/")
