#!/usr/bin/env python3
"""A file clone removes names that a gateway left in .ontapfs more than an hour ago by the server's clock; younger ones may be in use by another gateway, and other names are not ours."""
# needs: own-mount
# not-on: ganesha (it is about REST)
import os
import uuid
import ontapfs_test as t

SIZE = 17 << 20

with t.proxied_mount() as (sim, gw, proxy):
    v, private = gw.mnt + "/project1", sim.path() + "/.ontapfs"
    t.write(v + "/big", b"data" * (SIZE // 4))
    t.write(v + "/f", b"f")
    os.mkdir(private, 0o700)
    ours = "ontapfs-%s" % uuid.uuid4()
    others = ["ontapfs-x", str(uuid.uuid4()), "ontapfs-%sx" % uuid.uuid4()]
    for n in [ours, *others]:
        os.link(sim.path() + "/f", private + "/" + n)
    os.mkdir(private + "/ontapfs-%s" % uuid.uuid4())
    want = sorted(os.listdir(private))
    t.run(*t.CP, v + "/big", v + "/a")
    t.eq(sorted(os.listdir(private)), want, "young names")
    # An hour cannot be waited for: the server says that it is 2035. The look is
    # taken once in ten minutes, and by a new mount at once.
    gw.down()
    gw.up()
    proxy.tell("on SETATTR reply xor 35 268435456 count 1")
    t.run(*t.CP, v + "/big", v + "/b")
    t.eq(proxy.seen("hits"), 1, "replies changed")
    want.remove(ours)
    t.eq(sorted(os.listdir(private)), want, "old names")
    t.eq(t.read(v + "/f"), b"f", "the file behind it")
