#!/usr/bin/env python3
"""Each nfsstat3 comes through as the errno it stands for; JUKEBOX is waited out."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

# RFC 1813, 2.6. What a LOOKUP cannot mean is an error of the server: EIO.
TABLE = {
    "PERM": errno.EPERM, "NOENT": errno.ENOENT, "IO": errno.EIO, "NXIO": errno.ENXIO, "ACCES": errno.EACCES,
    "EXIST": errno.EEXIST, "XDEV": errno.EXDEV, "NODEV": errno.ENODEV, "NOTDIR": errno.ENOTDIR,
    "ISDIR": errno.EISDIR, "INVAL": errno.EINVAL, "FBIG": errno.EFBIG, "NOSPC": errno.ENOSPC, "ROFS": errno.EROFS,
    "MLINK": errno.EMLINK, "NAMETOOLONG": errno.ENAMETOOLONG, "NOTEMPTY": errno.ENOTEMPTY, "DQUOT": errno.EDQUOT,
    "STALE": errno.ESTALE, "NOTSUPP": errno.EOPNOTSUPP, "BADHANDLE": errno.ESTALE, "SERVERFAULT": errno.EIO, "4242": errno.EIO,
}

with t.proxied_mount() as (sim, gw, proxy):
    os.chdir(gw.mnt + "/project1")
    for name, want in TABLE.items():
        hits = proxy.seen("hits")
        proxy.tell("on MKDIR call status %s count 2" % name)
        t.expect(want, os.mkdir, "new-" + name)
        t.ok(proxy.seen("hits") > hits, name + ": the rule applied")
        proxy.tell("clear")
    hits = proxy.seen("hits")
    proxy.tell("on MKDIR call status JUKEBOX count 2")
    os.mkdir("patient")
    t.eq(proxy.seen("hits"), hits + 2, "JUKEBOX came twice")
    t.ok(os.path.isdir(sim.path() + "/patient"), "made")
    os.chdir("/")
