#!/usr/bin/env python3
# needs: own-mount
# not-on: ganesha (an export whose folder changes goes and comes back: EACCES for a moment)
"""A FlexCache shows and takes what its origin has; a SnapMirror destination shows its last transfer and is read-only."""
import errno
import os

import ontapfs_test as t


def make(s, path, body):
    t.rest_job("POST", path, {"svm": {"name": "svm1"}, **body}, sim=s.dir)


def patch(s, path, body):
    t.rest_job("PATCH", path, body, sim=s.dir)


with t.own_mount() as (sim, gw):
    origin, cache, mirror = (os.path.join(gw.mnt, n) for n in ("project1", "cache1", "mirror1"))
    t.write(origin + "/file", b"one")
    make(sim, "/storage/flexcache/flexcaches",
         {"name": "cache1", "path": "/cache1", "origins": [{"svm": {"name": "svm1"}, "volume": {"name": "project1"}}]})
    t.eq(t.read(cache + "/file"), b"one", "the origin's file through the cache")
    t.write(cache + "/back", b"written through the cache")
    t.eq(t.read(origin + "/back"), b"written through the cache", "a write through the cache is in the origin")

    make(sim, "/storage/volumes", {"name": "mirror1", "aggregates": [{"name": "aggr1"}], "size": "100MB", "type": "dp"})
    t.rest_job("POST", "/snapmirror/relationships",
               {"source": {"path": "svm1:project1"}, "destination": {"path": "svm1:mirror1"}}, sim=sim.dir)
    uuid = t.rest("GET", "/snapmirror/relationships", sim=sim.dir)[1]["records"][0]["uuid"]
    patch(sim, "/snapmirror/relationships/" + uuid, {"state": "snapmirrored"})
    patch(sim, "/storage/volumes/" + t.volume_uuid("mirror1", sim=sim.dir), {"nas": {"path": "/mirror1"}})
    t.eq(t.read(mirror + "/file"), b"one", "the source's file in the destination")
    t.expect(errno.EROFS, t.write, mirror + "/file", b"no")
    t.expect(errno.EROFS, os.mkdir, mirror + "/no")

    t.write(origin + "/file", b"two")
    t.eq(t.read(mirror + "/file"), b"one", "nothing moves without a transfer")
    t.rest("POST", "/snapmirror/relationships/%s/transfers" % uuid, {}, sim=sim.dir)
    t.wait_for(lambda: t.read(mirror + "/file") == b"two", "the transfer arrives", 20)

    patch(sim, "/snapmirror/relationships/" + uuid, {"state": "broken_off"})
    t.wait_for(lambda: not t.errno_of(t.write, mirror + "/file", b"own"), "a broken off destination can be written", 20)
    t.eq(t.read(origin + "/file"), b"two", "the source has its own")
