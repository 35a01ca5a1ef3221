#!/usr/bin/env python3
"""Each nfsstat3 comes through as the errno it stands for; JUKEBOX is waited out."""
# needs: own-mount
import errno
import mmap
import os
import ontapfs_test as t

# RFC 1813, 2.6. What a LOOKUP cannot mean is an error of the server: EIO.
TABLE = {
    "PERM": errno.EPERM, "NOENT": errno.ENOENT, "IO": errno.EIO, "NXIO": errno.ENXIO, "ACCES": errno.EACCES,
    "EXIST": errno.EEXIST, "XDEV": errno.EXDEV, "NODEV": errno.ENODEV, "NOTDIR": errno.ENOTDIR,
    "ISDIR": errno.EISDIR, "INVAL": errno.EINVAL, "FBIG": errno.EFBIG, "NOSPC": errno.ENOSPC, "ROFS": errno.EROFS,
    "MLINK": errno.EMLINK, "NAMETOOLONG": errno.ENAMETOOLONG, "NOTEMPTY": errno.ENOTEMPTY, "DQUOT": errno.EDQUOT,
    "STALE": errno.ESTALE, "NOTSUPP": errno.EOPNOTSUPP, "BADHANDLE": errno.ESTALE, "SERVERFAULT": errno.EIO, "4242": errno.EIO,
    "REMOTE": errno.EREMOTE, "NOT_SYNC": errno.EIO, "BAD_COOKIE": errno.ESTALE, "TOOSMALL": errno.EIO,
    "BADTYPE": errno.EINVAL,
}

with t.proxied_mount() as (sim, gw, proxy):
    os.chdir(gw.mnt + "/project1")
    for name, want in TABLE.items():
        hits = proxy.seen("hits")
        proxy.tell("on MKDIR call status %s count 2" % name)
        t.expect(want, os.mkdir, "new-" + name)
        t.ok(proxy.seen("hits") > hits, name + ": the rule applied")
        proxy.tell("clear")
    # The same of calls that change nothing, and of those through a descriptor. A stale handle on a path is looked
    # up again, once.
    t.write("f", b"x" * 8192)
    os.symlink("f", "l")
    fd = os.open("f", os.O_RDWR | os.O_DIRECT)
    block = mmap.mmap(-1, 4096)
    for proc, fn in (("READ", lambda: os.preadv(fd, [block], 0)), ("WRITE", lambda: os.pwritev(fd, [block], 0)),
                     ("SETATTR", lambda: os.fchmod(fd, 0o640)), ("READLINK", lambda: os.readlink("l")),
                     ("FSSTAT", lambda: os.fstatvfs(fd)), ("READDIRPLUS", lambda: os.listdir("."))):
        for name, want in TABLE.items():
            if name == "NOENT" and proc == "READDIRPLUS":
                continue  # libc takes that for the end of a directory that was removed
            hits = proxy.seen("hits")
            proxy.tell("on %s call status %s count 0" % (proc, name))
            t.eq((proc, name, t.name_of(t.errno_of(fn))), (proc, name, t.name_of(want)), "errno")
            t.ok(proxy.seen("hits") > hits, "%s, %s: the rule applied" % (proc, name))
            proxy.tell("clear")
        t.eq(t.errno_of(fn), 0, proc + " afterwards")
    os.close(fd)
    hits = proxy.seen("hits")
    proxy.tell("on MKDIR call status JUKEBOX count 2")
    os.mkdir("patient")
    t.eq(proxy.seen("hits"), hits + 2, "JUKEBOX came twice")
    t.ok(os.path.isdir(sim.path() + "/patient"), "made")
    os.chdir("/")
