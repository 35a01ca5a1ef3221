#!/usr/bin/env python3
"""The answer to REMOVE, RMDIR or RENAME is lost after the server did it, and another host makes a new
object of that name before we ask again: it stays, and the caller hears of success."""
# needs: own-mount
import concurrent.futures
import os
import ontapfs_test as t

with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    os.chdir(gw.mnt + "/project1")
    store = sim.path()

    def meanwhile(proc, fn, elsewhere):
        """Runs fn, whose call `proc` is done by the server and not answered; elsewhere() is next there."""
        hits = proxy.seen("hits")
        proxy.tell("on %s call hold" % proc)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            run = pool.submit(fn)
            proxy.wait("hits", hits + 1)
            proxy.tell("on %s reply lose" % proc)
            proxy.tell("on LOOKUP call hold")
            proxy.tell("release")
            proxy.wait("hits", hits + 3)
            elsewhere()
            proxy.tell("clear")
            proxy.tell("release")
            return run.result(30)

    def noreplace():
        t.renameat2("f", "f2", t.RENAME_NOREPLACE)

    for name, proc, make, fn, new in (
            ("unlink", "REMOVE", lambda: t.write("f", "ours"), lambda: os.unlink("f"),
             lambda: t.write(store + "/f", "theirs")),
            ("rmdir", "RMDIR", lambda: os.mkdir("f"), lambda: os.rmdir("f"), lambda: os.mkdir(store + "/f")),
            ("rename", "RENAME", lambda: t.write("f", "ours"), lambda: os.rename("f", "f2"),
             lambda: t.write(store + "/f", "theirs")),
            ("rename without replacing", "REMOVE", lambda: t.write("f", "ours"), noreplace,
             lambda: t.write(store + "/f", "theirs"))):
        make()
        meanwhile(proc, fn, new)
        if name == "rmdir":
            t.eq(t.behind(store), ["f"], name)
            os.rmdir(store + "/f")
            continue
        t.eq(t.read(store + "/f"), b"theirs", name + ": what the other host made")
        if name != "unlink":
            t.eq(t.read("f2"), b"ours", name + ": the new name")
            os.unlink("f2")
        os.unlink(store + "/f")

    # An open file goes to its private name by RENAME, and lives on there.
    t.write("f", "ours")
    fd = os.open("f", os.O_RDWR)
    meanwhile("RENAME", lambda: os.unlink("f"), lambda: t.write(store + "/f", "theirs"))
    t.eq(t.read(store + "/f"), b"theirs", "unlink of an open file: what the other host made")
    t.eq(os.pread(fd, 9, 0), b"ours", "the open file")
    os.close(fd)
    t.wait_for(lambda: t.behind(store) == ["f"], "the private name to go")

    # Not done yet, since the call itself was lost: it is sent again.
    for proc, fn in (("RENAME", lambda: os.rename("f", "g")), ("REMOVE", lambda: os.unlink("g"))):
        hits = proxy.seen("hits")
        proxy.tell("on %s call lose" % proc)
        fn()
        t.eq(proxy.seen("hits"), hits + 1, proc + ": the call was lost")
    t.eq(t.behind(store), [], "all is done")
    os.chdir("/")
