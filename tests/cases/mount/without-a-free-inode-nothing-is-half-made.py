#!/usr/bin/env python3
"""With the table of inodes full, making a file, a directory or a link fails before anything was made."""
# needs: own-mount
import errno
import os
import resource
import ontapfs_test as t

N = 1300


def symlink(path):
    os.symlink("target", path)


# What is held open the kernel cannot be asked to forget.
resource.setrlimit(resource.RLIMIT_NOFILE, (N + 100, max(N + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))

with t.own_mount("max_nodes=1024") as (sim, gw):
    made, behind, held = 0, sim.path(), []
    for i in range(N):
        make = (lambda p: t.write(p, "new"), os.mkdir, symlink)[i % 3]
        path = "%s/project1/n%d" % (gw.mnt, i)
        e = t.errno_of(make, path)
        t.ok(e in (0, errno.ENFILE), "making number %d: %s" % (i, t.name_of(e)))
        t.eq(os.path.lexists("%s/n%d" % (behind, i)), e == 0, "number %d at the server" % i)
        if e == 0:
            made += 1
            held.append(os.open(path, os.O_PATH | os.O_NOFOLLOW))
    for fd in held:
        os.close(fd)
    print("%d of %d were made" % (made, N))
    t.ok(500 < made < 1024, "%d were made" % made)
    t.eq(len(os.listdir(gw.mnt + "/project1")), made, "names in the listing")
