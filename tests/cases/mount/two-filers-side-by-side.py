#!/usr/bin/env python3
"""Two simulators and two mounts on one machine do not meet."""
# needs: own-mount
import os
import ontapfs_test as t

with t.own_sim(name="sim1") as one, t.own_sim(name="sim2") as two:
    with t.Gateway(one.backend, t.WORK + "/m1") as a, t.Gateway(two.backend, t.WORK + "/m2") as b:
        for g, text in ((a, "one"), (b, "two")):
            t.write(g.mnt + "/project1/f", text)
            os.mkdir("%s/project1/.snapshots/only-%s" % (g.mnt, text))
        for g, s, text, other in ((a, one, "one", "two"), (b, two, "two", "one")):
            t.eq(t.read(g.mnt + "/project1/f"), text.encode(), "live")
            t.eq(t.read("%s/project1/.snapshots/only-%s/f" % (g.mnt, text)), text.encode(), "snapshot")
            names = os.listdir(g.mnt + "/project1/.snapshots")
            t.ok("only-" + text in names and "only-" + other not in names, "snapshots listed: %r" % names)
            t.ok("only-" + other not in t.rest_snapshots(sim=s.dir), "snapshots in REST")
        one.down()
        t.eq(t.read(b.mnt + "/project1/f"), b"two", "the other filer is not touched")
        one.up()
