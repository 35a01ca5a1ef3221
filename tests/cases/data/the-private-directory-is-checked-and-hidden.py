#!/usr/bin/env python3
""".ontapfs is made for uid 0 alone and never seen or named through the tree; a clone that holds nothing else is empty; one that others could enter takes no file clone, and neither does a squashed root."""
# needs: own-mount
# cells: copy-clone/live rule-6.3-empty readdir/live mkdir/live rename-in/live
# not-on: ganesha (it is about REST)
# time-limit: 120
import errno
import os
import ontapfs_test as t

SIZE = 17 << 20
DATA = b"data" * (SIZE // 4)


def clones(g):
    return t.counter(t.stats(g.mnt), "ontapfs_verbs_total", verb="file.clone") or 0


def copy(g, to, want, what):
    before = clones(g)
    t.run("cp", g.mnt + "/project1/big", to)
    t.ok(t.read(to) == DATA, "bytes: " + what)
    t.eq(clones(g) - before, want, "file clones: " + what)


def hidden(d, refusal):
    t.ok(".ontapfs" not in os.listdir(d), "not listed in " + d)
    t.expect(errno.ENOENT, os.lstat, d + "/.ontapfs")
    t.expect(refusal, os.mkdir, d + "/.ontapfs")


with t.own_sim() as sim:
    store = sim.path()
    private = store + "/.ontapfs"
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        v = gw.mnt + "/project1"
        t.write(v + "/big", DATA)
        copy(gw, v + "/a", 1, "the first one")
        st = os.lstat(private)
        t.eq((oct(st.st_mode), st.st_uid, os.listdir(private)), ("0o40700", 0, []), "mode, owner and content")
        os.mkdir(v + "/.snapshots/s")
        os.mkdir(v + "/.clones/c")
        hidden(v, errno.EPERM)
        hidden(v + "/.clones/c", errno.EPERM)
        hidden(v + "/.snapshots/s", errno.EROFS)
        t.write(v + "/f", b"f")
        t.expect(errno.EPERM, os.rename, v + "/f", v + "/.ontapfs")
        t.expect(errno.EPERM, os.link, v + "/f", v + "/.ontapfs")
        t.expect(errno.ENOENT, os.rename, v + "/.ontapfs", v + "/g")
        os.mkdir(v + "/.ontapfs.d")
        os.mkdir(v + "/.ontapfs.d/.ontapfs")
        t.eq(os.listdir(v + "/.ontapfs.d"), [".ontapfs"], "elsewhere it is a name as others")
        t.run("sh", "-c", 'rm -rf "$1"/* "$1"/.[!.]*', "sh", v + "/.clones/c")
        t.ok(os.path.isdir(sim.path("c") + "/.ontapfs"), "rm -rf does not reach it")
        t.run("rmdir", v + "/.clones/c")

    def odd_dir(mode, uid):
        os.rmdir(private)
        os.mkdir(private)
        os.chmod(private, mode)
        os.chown(private, uid, uid)

    def odd_link():
        os.rmdir(private)
        os.mkdir(store + "/p", 0o700)
        os.symlink("p", private)

    for what, make in (("others enter it", lambda: odd_dir(0o711, 0)), ("a group enters it", lambda: odd_dir(0o710, 0)),
                       ("it is a user's", lambda: odd_dir(0o700, t.A)), ("it is a link", odd_link)):
        make()
        with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
            v = gw.mnt + "/project1"
            copy(gw, v + "/b", 0, what)
            t.ok("no file clones" in t.read(gw.mnt + "/.ontap/status").decode(), "status tells: " + what)
            hidden(v, errno.EPERM)
            t.expect(errno.EXDEV, os.link, v + "/.snapshots/s/big", v + "/linked")
            t.expect(errno.ENOENT, os.lstat, v + "/linked")
    os.unlink(private)
    os.rmdir(store + "/p")

    # Root squashed: nothing of nobody's is left, and files are copied by who owns them.
    os.chmod(store, 0o777)
    os.chmod(store + "/big", 0o644)
    with t.Gateway(sim.backend, t.WORK + "/mnt") as gw:
        t.rest_export_rules({"superuser": ["none"]}, sim.dir)
        t.wait_for(lambda: t.errno_of(os.chown, gw.mnt + "/project1/big", 0, 0), "root to be squashed", 10)
        t.run_as(t.A, t.A, copy, gw, gw.mnt + "/project1/squashed", 0, "root is squashed")
        t.ok(not os.path.lexists(private), "nobody's directory is taken away")
