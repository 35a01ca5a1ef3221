#!/usr/bin/env python3
"""A clone has snapshots and clones of its own: in its own .clones, with links at the root."""
# needs: own-mount
# cells: symlink/root symlink/clonedir mkdir/snapdir mkdir/clonedir readdir/clonedir
import os
import ontapfs_test as t

with t.own_fixture():
    case = os.path.basename(t.CASE)
    one, two, three, four = (t.clone_name(n) for n in ("one", "two", "three", "four"))
    t.write(t.CASE + "/f", "base")
    t.take("a")
    os.chdir(t.MNT)
    os.symlink("project1/.snapshots/" + t.SNAP + "a", one)
    t.write("%s/%s/f" % (one, case), "one")
    os.mkdir(one + "/.snapshots/s")
    t.write("%s/%s/f" % (one, case), "one, later")
    os.symlink(one + "/.snapshots/s", two)
    t.eq(os.readlink(two), "project1/.clones/%s/.clones/%s" % (one, two), "link to a clone's clone")
    t.eq(os.listdir(one + "/.clones"), [two], "clones of the clone")
    t.ok(two not in os.listdir("project1/.clones"), "it is not among those of the volume")
    t.eq(t.read("%s/%s/f" % (two, case)), b"one", "its bytes")
    os.mkdir("%s/.clones/%s" % (one, three))
    t.eq(t.read("%s/%s/f" % (three, case)), b"one, later", "clone of now of a clone")
    os.symlink("../.snapshots/s", "%s/.clones/%s" % (one, four))
    t.eq(t.read("%s/%s/f" % (four, case)), b"one", "ln -s in a clone's .clones")
    for n in (two, three, four):
        t.eq(t.rest_volume(n)["clone"]["parent_volume"]["name"], one, "parent of " + n)
    # A snapshot of the clone is none of the volume.
    t.expect(t.errno.EPERM, os.symlink, one + "/.snapshots/s", "project1/.clones/" + t.clone_name("x"))
    os.chdir("/")
