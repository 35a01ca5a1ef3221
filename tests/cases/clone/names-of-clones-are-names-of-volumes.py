#!/usr/bin/env python3
"""A clone's name is a volume's: letters, digits, '_', at most 203; else EINVAL or ENAMETOOLONG. A taken one is EEXIST."""
# needs: own-mount
# cells: symlink/root symlink/clonedir mkdir/clonedir
import errno
import os
import ontapfs_test as t

with t.own_fixture():
    t.take("a")
    target, clones = "project1/.snapshots/" + t.SNAP + "a", t.MNT + "/project1/.clones/"
    for name in ("1st", "with-dash", "with.dot", "blank here", "at@sign", "umläut", ".hidden", "tab\there", "-dash"):
        for fn, args in ((os.symlink, (target, t.MNT + "/" + name)), (os.symlink, (target, clones + name)),
                         (os.mkdir, (clones + name,))):
            # At the root a name with '@' is looked up as VOLUME@SNAPSHOT first.
            t.expect(errno.EINVAL, fn, *args)
            t.ok("name" in t.last_error(t.MNT), "last_error for %r: %s" % (name, t.last_error(t.MNT)))
    for name in ("a" * 204, "b" * 255):
        t.expect(errno.ENAMETOOLONG, os.mkdir, clones + name)
        t.expect(errno.ENAMETOOLONG, os.symlink, target, t.MNT + "/" + name)
    t.expect(errno.ENAMETOOLONG, os.mkdir, clones + "c" * 256)
    long = t.clone_name("l" * (203 - len(t.clone_name())))
    os.mkdir(clones + long)
    t.ok(t.rest_volume(long), "203 characters")

    for taken in (long, "project1", "imagenet"):
        t.expect(errno.EEXIST, os.symlink, target, t.MNT + "/" + taken)
    t.expect(errno.EEXIST, os.symlink, target, clones + long)
    t.expect(errno.EEXIST, os.mkdir, clones + long)
    # The name of a volume elsewhere in the tree: only ONTAP knows.
    t.expect(errno.EEXIST, os.mkdir, clones + "imagenet")
    t.ok("imagenet" in t.last_error(t.MNT), "last_error: " + t.last_error(t.MNT))
    t.expect(errno.EEXIST, os.mkdir, clones + "svm1_root")
