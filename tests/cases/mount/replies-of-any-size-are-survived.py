#!/usr/bin/env python3
"""A reply without end, one too deep and one that is none: refused in words at the start, survived later."""
# needs: own-mount
import os
import front
import ontapfs_test as t

hostile = {}


def reply(method, path):
    return hostile.get((method, path.split("?")[0]))


with t.own_sim() as sim, front.Front(sim, reply=reply) as f:
    config = f.config("front")

    def refused(body, words):
        hostile["GET", "/api/cluster"] = (200, body)
        g = t.Gateway(config, t.WORK + "/refused")
        t.ok(g.try_up() != 0, "it mounts all the same: " + words)
        t.ok(words in g.said, "instead of '%s': %s" % (words, g.said))

    refused(b'{"name":"' + b"x" * (2 << 20) + b'"}', "is larger than 1048576 bytes")
    refused(b'{"name":' + b"[" * 100 + b"]" * 100 + b"}", "is no valid JSON")
    refused(b"<html>Welcome</html>", "is no valid JSON")
    refused(b'{"name":"k","version":{"generation":9,"major":"x","minor":1}}', "is not usable")

    hostile.clear()
    with t.Gateway(config, t.WORK + "/mnt") as gw:
        snaps = gw.mnt + "/project1/.snapshots/"
        pid = gw.process()
        os.mkdir(snaps + "before")
        uuid = os.getxattr(gw.mnt + "/project1", "ontap.volume.uuid").decode().strip()
        path = "/api/storage/volumes/%s/snapshots" % uuid
        for body in (b"{" * 100, b'{"records":' + b"[" * 50, b'{"records":[{"uuid":7}]', b"", b"\0" * 100):
            hostile["GET", path] = (200, body)
            hostile["POST", path] = (202, body)
            t.ok(t.errno_of(os.mkdir, snaps + "during") != 0, "a snapshot nobody can see is no success")
        hostile.clear()
        os.mkdir(snaps + "after")
        t.ok({"before", "after"} <= set(os.listdir(snaps)), "snapshots")
        t.eq(gw.process(), pid, "the daemon")
