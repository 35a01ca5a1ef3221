#!/usr/bin/env python3
"""rm, rm -rf, unlink, rmdir and mv of a clone's link at the root are EPERM (rmdir: ENOTDIR); the clone keeps every byte."""
# needs: own-mount
# cells: unlink/root rmdir/root rename/root rename-out/root rename-in/root rule-6.1-link
import errno
import os
import ontapfs_test as t

with t.own_fixture():
    case, name = os.path.basename(t.CASE), t.clone_name("x")
    t.write(t.CASE + "/f", "base")
    os.mkdir("%s/project1/.clones/%s" % (t.MNT, name))
    link = t.MNT + "/" + name
    t.write("%s/%s/f" % (link, case), "mine")
    for cmd in (("rm", "-rf"), ("rm", "-f"), ("rmdir",), ("unlink",)):
        p = t.run(*cmd, link, check=False)
        t.ok(p.returncode != 0, "%s must fail" % " ".join(cmd))
    t.expect(errno.EPERM, os.unlink, link)
    t.expect((errno.ENOTDIR, errno.EPERM), os.rmdir, link)
    t.expect(errno.EPERM, os.rename, link, t.MNT + "/" + t.clone_name("y"))
    t.expect(errno.EPERM, os.rename, link, t.CASE + "/y")
    t.expect(errno.EPERM, os.rename, t.CASE + "/f", link)
    t.ok("not" in t.last_error(t.MNT), "last_error: " + t.last_error(t.MNT))
    t.eq(t.read("%s/%s/f" % (link, case)), b"mine", "the clone's file")
    # Through the link its contents may go, as those of any directory: as `rm -rf x/` says.
    t.ok(t.rest_volume(name), "the clone")
