#!/usr/bin/env python3
"""A file clone of a source that another client wrote meanwhile, or from a snapshot whose name another one has got meanwhile, does not count: the caller copies by data."""
# needs: own-mount
# cells: copy-clone/live
# not-on: ganesha (it is about REST)
# time-limit: 120
import os
import subprocess
import ontapfs_test as t

SIZE = 17 << 20
OLD, NEW = b"then" * (SIZE // 4), b"now!" * (SIZE // 4)


def ctl(*words):
    t.run(t.ONTAPSIM, "ctl", sim.dir, *words)


def copied(source, meanwhile, what):
    """The bytes of a copy during whose file clone something happened."""
    before = t.nfs_calls(gw.mnt, proc="WRITE")
    ctl("job", "stuck", "1")
    p = subprocess.Popen((*t.CP, source, v + "/copy"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    t.wait_for(lambda: b"file.clone" in t.read(gw.mnt + "/.ontap/jobs"), "the clone at work", 30)
    meanwhile()
    ctl("job", "release")
    said = p.communicate(timeout=60)[0]
    t.eq((p.returncode, said), (0, b""), "cp when " + what)
    t.ok(t.nfs_calls(gw.mnt, proc="WRITE") > before, "copied by data when " + what)
    data = t.read(v + "/copy")
    t.eq(os.listdir(sim.path() + "/.ontapfs"), [], "private names when " + what)
    os.unlink(v + "/copy")
    return data


def name_changes_hands():
    u = t.rest_snapshots(sim=sim.dir)["s"]
    t.rest_job("PATCH", "/storage/volumes/%s/snapshots/%s" % (t.volume_uuid("project1", sim.dir), u), {"name": "was_s"},
               sim=sim.dir)
    t.rest_snapshot_create("s", sim=sim.dir)


with t.own_mount() as (sim, gw):
    v = gw.mnt + "/project1"
    t.write(v + "/big", OLD)
    os.mkdir(v + "/.snapshots/s")
    got = copied(v + "/big", lambda: t.write(sim.path() + "/big", NEW), "another client writes")
    t.ok(got in (OLD, NEW), "the bytes are neither the old nor the new ones")
    got = copied(v + "/.snapshots/s/big", name_changes_hands, "the snapshot's name changes hands")
    t.ok(got == OLD, "the bytes are not those of the snapshot that was opened")
