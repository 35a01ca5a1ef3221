#!/usr/bin/env python3
"""rmdir of a clone that is not empty is ENOTEMPTY, unless the same user armed it; arming counts once, and for that clone only."""
# needs: own-mount
# cells: rmdir/clonedir rule-6.3-empty rule-6.3-arm
# not-on: ganesha (it empties a volume in the store, where .snapshot cannot be removed)
import errno
import os
import ontapfs_test as t

with t.own_fixture():
    clones = t.MNT + "/project1/.clones/"
    one, two = t.clone_name("one"), t.clone_name("two")
    for n in (one, two):
        t.run_as(t.A, t.A, os.mkdir, clones + n)
    t.expect(errno.ENOTEMPTY, t.run_as, t.A, t.A, os.rmdir, clones + one)
    text = t.run_as(t.A, t.A, t.last_error, t.MNT)
    t.ok("ontap.arm" in text, "last_error: " + text)
    # Another user's, another clone's, and a wrong word do not count.
    os.setxattr(clones + one, "ontap.arm", one.encode())
    t.run_as(t.A, t.A, os.setxattr, clones + two, "ontap.arm", two.encode())
    t.expect(errno.EINVAL, t.run_as, t.A, t.A, os.setxattr, clones + one, "ontap.arm", two.encode())
    t.expect(errno.ENOTEMPTY, t.run_as, t.A, t.A, os.rmdir, clones + one)
    t.ok(t.rest_volume(one), "it is still there")
    t.run_as(t.A, t.A, os.setxattr, clones + one, "ontap.arm", one.encode())
    t.run_as(t.A, t.A, os.rmdir, clones + one)
    t.eq(t.rest_volume(one), None, "the armed clone")
    for path in (clones + one, t.MNT + "/" + one):
        t.expect(errno.ENOENT, os.lstat, path)
    # Made again under its name, it is another clone: not armed.
    t.run_as(t.A, t.A, os.mkdir, clones + one)
    t.expect(errno.ENOTEMPTY, t.run_as, t.A, t.A, os.rmdir, clones + one)
    # One that somebody empties behind the server is empty, whatever was seen before.
    os.listdir(clones + one)
    t.run("sh", "-c", 'rm -rf "$1"/* "$1"/.[!.]*', "sh", t.store(one))
    t.run_as(t.A, t.A, os.rmdir, clones + one)
    t.eq(t.rest_volume(one), None, "the empty clone")
    # The base made for it stays; nothing of the volume was touched.
    t.ok(os.path.isdir(t.CASE), "the volume")
