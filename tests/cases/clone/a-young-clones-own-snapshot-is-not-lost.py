#!/usr/bin/env python3
"""A snapshot that was made in a clone within the second of the clone's birth is its own: EBUSY, it is not lost."""
# needs: own-mount
# cells: rule-6.3-snapshots
import os
import ontapfs_test as t

with t.own_fixture():
    clones = t.MNT + "/project1/.clones/"

    def within_a_second(name):
        os.mkdir(clones + name)
        os.mkdir(clones + name + "/.snapshots/own")
        born = t.rest_volume(name)["create_time"]
        recs = t.rest("GET", "/storage/volumes/%s/snapshots?name=own&fields=create_time" % t.volume_uuid(name))[1]["records"]
        return born == recs[0]["create_time"]

    for i in range(10):
        name = t.clone_name("n%d" % i)
        if within_a_second(name):
            break
    else:
        t.skip("this machine was too slow for two verbs in one second")
    os.setxattr(clones + name, "ontap.arm", name.encode())
    got = t.errno_of(t.run_as, 0, 0, os.rmdir, clones + name)
    t.ok(t.rest_volume(name), "the clone is gone, and with it its snapshot (rmdir: %s)" % t.name_of(got))
    t.eq(t.name_of(got), "EBUSY", "rmdir of a clone with a snapshot of its own")
