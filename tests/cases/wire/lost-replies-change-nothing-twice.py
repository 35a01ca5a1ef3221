#!/usr/bin/env python3
"""The reply to a change is lost after the server did it: the change happened once, and the caller hears of success."""
# needs: own-mount
import os
import ontapfs_test as t

LONG = "t" * (4095 if t.SIM_NFS == "builtin" else 1023)  # XFS keeps no more

with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    os.chdir(gw.mnt + "/project1")
    store = sim.path()

    def excl(p):
        os.close(os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def noreplace(a, b):
        t.renameat2(a, b, t.RENAME_NOREPLACE)

    def append(p):
        t.write(p, b"more", os.O_WRONLY | os.O_APPEND)

    t.write("file", b"data")
    t.write("file2", b"data2")
    os.mkdir("dir")
    for proc, fn, args in (("CREATE", excl, ("new",)), ("MKDIR", os.mkdir, ("newdir",)),
                           ("SYMLINK", os.symlink, ("to", "link")),
                           ("SYMLINK", os.symlink, (LONG, "long")), ("MKNOD", os.mkfifo, ("fifo",)),
                           ("LINK", os.link, ("file", "hard")), ("SETATTR", os.chmod, ("file", 0o640)),
                           ("RENAME", os.rename, ("file2", "file3")), ("LINK", noreplace, ("file3", "file4")),
                           ("REMOVE", noreplace, ("file4", "file5")), ("WRITE", append, ("file",)),
                           ("REMOVE", os.unlink, ("new",)), ("RMDIR", os.rmdir, ("newdir",))):
        before = proxy.seen(proc), proxy.seen("hits")
        proxy.tell("on %s reply lose" % proc)
        fn(*args)
        t.eq(proxy.seen("hits"), before[1] + 1, "%s: the reply was lost" % proc)
        t.ok(proxy.seen(proc) >= before[0] + 1, "%s was sent" % proc)
        proxy.tell("clear")
    t.eq(t.behind(store), ["dir", "fifo", "file", "file5", "hard", "link", "long"], "what is there")
    t.eq((t.read(store + "/file"), t.read(store + "/file5")), (b"datamore", b"data2"), "contents")
    t.eq(os.readlink(store + "/long"), LONG, "a long target")
    t.eq((os.stat(store + "/file").st_mode & 0o777, os.stat(store + "/file").st_nlink), (0o640, 2), "attributes")
    os.chdir("/")
