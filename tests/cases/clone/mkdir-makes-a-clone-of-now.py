#!/usr/bin/env python3
"""mkdir in .clones makes a clone of what the volume holds now, every byte written before included."""
# needs: own-mount
# cells: mkdir/clonedir
import os
import ontapfs_test as t

with t.own_fixture():
    case = os.path.basename(t.CASE)
    for i in range(3):
        fd = os.open(t.CASE + "/f", os.O_WRONLY | os.O_CREAT)
        os.pwrite(fd, b"round %d" % i, 0)
        clone = "%s/project1/.clones/%s" % (t.MNT, t.clone_name("n%d" % i))
        os.mkdir(clone, 0o700)
        os.pwrite(fd, b"after", 0)
        os.close(fd)
        t.eq(t.read("%s/%s/f" % (clone, case)), b"round %d" % i, "clone %d" % i)
        t.eq(os.stat(clone).st_mode, os.stat(t.MNT + "/project1").st_mode, "mode of its root, the volume's")
        t.eq(os.readlink(t.MNT + "/" + t.clone_name("n%d" % i)), "project1/.clones/" + t.clone_name("n%d" % i), "link")
