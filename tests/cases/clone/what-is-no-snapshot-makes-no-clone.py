#!/usr/bin/env python3
"""ln -s of anything but a snapshot makes nothing: EPERM, or ENOENT where there is none of that name; last_error tells."""
# needs: own-mount
# cells: symlink/root symlink/clonedir symlink/snapdir
import errno
import os
import ontapfs_test as t

with t.own_fixture():
    t.take("a")
    s = t.SNAP + "a"
    root, clones = t.MNT + "/", t.MNT + "/project1/.clones/"
    before = t.rest_volumes()
    for where, target, want, says in (
            (root, "project1", errno.EPERM, "must be a snapshot"), (root, "/etc/passwd", errno.EPERM, "must be a snapshot"),
            (root, "project1/.snapshots", errno.EPERM, "must be a snapshot"), (root, "x", errno.EPERM, "must be a snapshot"),
            (root, t.CASE, errno.EPERM, "must be a snapshot"), (root, "..", errno.EPERM, "must be a snapshot"),
            (root, "project1/.snapshots/" + s + "/file", errno.EPERM, "must be a snapshot"),
            (root, ".snapshots/" + s, errno.EPERM, "of which volume"), (root, "project1@", errno.EPERM, "must be a snapshot"),
            (root, "nosuchvolume/.snapshots/" + s, errno.ENOENT, "no volume nosuchvolume"),
            (root, "project1/.snapshots/nosuch", errno.ENOENT, "no snapshot nosuch"),
            (root, "imagenet@" + s, errno.ENOENT, "no snapshot"),
            (clones, "imagenet/.snapshots/" + s, errno.EPERM, "clones of project1 only"),
            (clones, "..", errno.EPERM, "must be a snapshot"), (clones, "../f", errno.EPERM, "must be a snapshot"),
            (clones, "../.snapshots/nosuch", errno.ENOENT, "no snapshot nosuch"),
            (t.MNT + "/project1/.snapshots/", "../.snapshots/" + s, errno.EPERM, "not possible here")):
        t.expect(want, os.symlink, target, where + t.clone_name("x"))
        t.ok(says in t.last_error(t.MNT), "ln -s %s: last_error says %r" % (target, t.last_error(t.MNT)))
        t.ok(not os.path.lexists(where + t.clone_name("x")), "nothing was made by ln -s " + target)
    t.eq(t.rest_volumes(), before, "volumes")
