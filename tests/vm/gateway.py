"""ontapfs under the guest's kernel, with the simulator on the host, over a real network.

    gateway.py [-k REGEX]...
"""
import errno
import filecmp
import hashlib
import mmap
import os
import re
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from guest import GUEST_ADDRESS, host, host_read, host_store, host_write, main, t, test  # noqa: E402

MNT = "/run/tree"
VOL = MNT + "/project1"
SNAPS = VOL + "/.snapshots"
GW = t.Gateway(t.SIM + "/backend.json", MNT, "verbs_per_minute=100000")


class Dir:
    """A directory for this test, on the mount and on the host."""

    def __init__(self):
        name = "%s-%d" % (sys._getframe(1).f_code.co_name.replace("_", "-")[:40], os.getpid())
        self.name, self.path, self.host = name, VOL + "/" + name, host_store() + "/" + name
        os.mkdir(self.path)

    def __truediv__(self, name):
        return self.path + "/" + name


def rules():
    at = "/protocols/nfs/export-policies/%s/rules" % t.rest("GET", "/protocols/nfs/export-policies?name=default")[1][
        "records"][0]["id"]
    return at, t.rest("GET", at + "?fields=*")[1]["records"]


def host_digest(path):
    return host("sha256sum", path).split()[0].decode()


@test
def a_client_without_an_export_rule_is_told_so():
    at, have = rules()
    for r in have:
        if r["clients"][0]["match"].startswith(GUEST_ADDRESS):
            t.rest("DELETE", "%s/%s" % (at, r["index"]))
    g = t.Gateway(t.SIM + "/backend.json", "/run/refused")
    t.ok(g.try_up() != 0, "the mount is refused")
    t.ok(len(g.said.strip().splitlines()) == 1, "in one sentence: " + g.said)


def mount():
    t.rest("POST", rules()[0], {"clients": [{"match": GUEST_ADDRESS + "/32"}], "ro_rule": ["sys"], "rw_rule": ["sys"],
                                "superuser": ["sys"], "protocols": ["nfs3"]})
    GW.up()


@test
def the_tree_lists_volumes_and_snapshots():
    t.ok({"project1", "imagenet"} <= set(os.listdir(MNT)), "volumes: %s" % os.listdir(MNT))
    os.mkdir(SNAPS + "/listed")
    t.ok("listed" in os.listdir(SNAPS), "snapshots: %s" % os.listdir(SNAPS))
    t.ok("listed" in t.rest_snapshots(), "snapshots in REST")
    t.run("ls", "-laR", SNAPS + "/listed")
    t.drop(SNAPS + "/listed")


@test
def bytes_written_here_are_read_there_and_back():
    d = Dir()
    for size in (0, 1, 4097, 1 << 20, (8 << 20) + 3):
        data = os.urandom(size)
        t.write(d / "ours", data)
        t.eq(host_digest(d.host + "/ours"), hashlib.sha256(data).hexdigest(), "%d bytes in the store" % size)
        host_write(d.host + "/theirs", data)
        t.ok(t.read(d / "theirs") == data, "%d bytes from the store" % size)


@test
def a_snapshot_is_taken_renamed_compared_and_deleted():
    d = Dir()
    os.makedirs(d / "sub")
    for i in range(20):
        t.write(d / ("sub/f%d" % i), "content %d" % i)
    os.mkdir(SNAPS + "/run1")
    frozen = "%s/run1/%s" % (SNAPS, d.name)
    t.eq(t.run("diff", "-r", d.path, frozen).stdout, "", "diff")
    t.write(d / "sub/f3", "changed")
    os.unlink(d / "sub/f4")
    t.write(d / "new", "")
    got = t.run("diff", "-rq", frozen, d.path, check=False).stdout.splitlines()
    t.eq(len(got), 3, "what diff finds: %s" % got)
    t.run("cp", "-a", frozen + "/sub", d / "back")
    t.eq(filecmp.dircmp(frozen + "/sub", d / "back").diff_files, [], "what cp -a brought back")
    t.expect(errno.EROFS, t.write, frozen + "/sub/f1", "x")
    os.rename(SNAPS + "/run1", SNAPS + "/run2")
    t.eq(t.read("%s/run2/%s/sub/f4" % (SNAPS, d.name)), b"content 4", "under its new name")
    t.ok("run2" in t.rest_snapshots() and "run1" not in t.rest_snapshots(), "names in REST")
    t.drop(SNAPS + "/run2")
    t.ok("run2" not in t.rest_snapshots(), "deleted in REST")
    t.expect(errno.ENOENT, os.stat, SNAPS + "/run2")


@test
def the_second_read_of_a_snapshot_needs_no_server():
    d = Dir()
    for i in range(50):
        t.write(d / ("f%d" % i), os.urandom(5000 + i))
    os.mkdir(SNAPS + "/cached")
    # From inside: on the way there the volume's live directory has to be looked at now and then.
    os.chdir("%s/cached/%s" % (SNAPS, d.name))

    def walk():
        return hashlib.sha256(b"".join(t.read(n) for n in sorted(os.listdir(".")))).digest()
    first = walk()
    before = t.stats(MNT)
    t.eq(walk(), first, "content")
    after = t.stats(MNT)
    spent = {k: v - before.get(k, 0) for k, v in after.items() if k.startswith("ontapfs_nfs_calls_total")}
    t.eq({k: v for k, v in spent.items() if v}, {}, "NFS calls of the second pass")
    t.drop(SNAPS + "/cached")


@test
def mapped_files_work():
    d = Dir()
    t.write(d / "f", bytes(1 << 20))
    with open(d / "f", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[4096:4100] = b"page"
        m.flush()
    t.eq(host_read(d.host + "/f")[4096:4100], b"page", "in the store")
    t.run("cp", "/bin/true", d / "prog")
    t.run(d / "prog")


@test
def names_links_and_attributes_work():
    d = Dir()
    t.write(d / "a", "a")
    os.link(d / "a", d / "b")
    os.symlink("a", d / "l")
    os.mkfifo(d / "p")
    os.chmod(d / "a", 0o4750)
    os.chown(d / "b", t.A, t.TEAM)
    os.utime(d / "a", ns=(1234567890123456789, 987654321987654321))
    st = os.stat(d / "l")
    t.eq((st.st_nlink, st.st_uid, st.st_gid, st.st_mtime_ns), (2, t.A, t.TEAM, 987654321987654321), "attributes")
    t.renameat2(d / "a", d / "c", t.RENAME_NOREPLACE)
    t.expect(errno.EEXIST, t.renameat2, d / "b", d / "c", t.RENAME_NOREPLACE)
    t.eq(sorted(os.listdir(d.path)), ["b", "c", "l", "p"], "entries")
    t.expect(errno.EXDEV, os.rename, d / "c", MNT + "/imagenet/c")


@test
def two_users_are_kept_apart():
    d = Dir()
    os.chmod(d.path, 0o777)
    t.run_as(t.A, t.A, t.write, d / "f", "secret", os.O_WRONLY | os.O_CREAT, 0o600)
    t.eq(t.run_as(t.A, t.A, t.read, d / "f"), b"secret", "A reads")
    t.eq(t.run_as(t.B, t.B, t.errno_of, t.read, d / "f"), errno.EACCES, "B does not, though it is cached")


@test
def changes_of_others_are_seen():
    d = Dir()
    for i in range(5):
        host_write(d.host + "/f%d" % i, "made there %d" % i)
        t.wait_for(lambda n=i: os.path.exists(d / ("f%d" % n)), "their new name")
        t.eq(t.read(d / ("f%d" % i)), b"made there %d" % i, "content")
        host_write(d.host + "/f%d" % i, "again %d" % i)
        t.eq(t.read(d / ("f%d" % i)), b"again %d" % i, "their change, at open")
    t.rest_snapshot_create("elsewhere")
    t.wait_for(lambda: os.path.isdir(SNAPS + "/elsewhere"), "their snapshot", 20)
    t.rest_snapshot_delete("elsewhere")
    t.wait_for(lambda: not os.path.isdir(SNAPS + "/elsewhere"), "their snapshot to go", 40)


@test
def tar_and_git_work():
    t.need("git")
    d = Dir()
    os.chdir(d.path)
    t.run("sh", "-c", "set -e; git init -q r; cd r; git config user.email a@b; git config user.name n; echo 1 >f;"
          "git add f; git commit -qm one; echo 2 >>f; git commit -qam two; git fsck --no-progress; git log --oneline;"
          "cd ..; tar cf t.tar r; mkdir o; tar -C o -xf t.tar; diff -r r o/r")


def daemons():
    """Holder and daemon of the mount: {pid: 'holder' or 'daemon'}."""
    out = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % p, "rb") as f:
                cmd = f.read().replace(b"\0", b" ").decode(errors="replace")
            with open("/proc/%s/stat" % p, encoding="ascii", errors="replace") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if re.search(r"/ontapfs(-hold)? ", cmd) and re.search(re.escape(MNT) + "( |$)", cmd):
            out[int(p)] = ("holder" if "ontapfs-hold" in cmd else "daemon", parent)
    return {p: k for p, (k, parent) in out.items() if k == "holder" or out.get(parent, ("",))[0] != "daemon"}


@test(limit=120)
def kill_9_of_the_daemon_is_a_pause():
    d = Dir()
    data = os.urandom(2 << 20)
    t.write(d / "f", data)
    fd = os.open(d / "f", os.O_RDWR)
    host("python3", "-c", "import os,sys\nos.mkdir(sys.argv[1])\nfor i in range(600): os.mknod('%s/%03d' % (sys.argv[1], i))",
         d.host + "/many")
    half = os.scandir(d / "many")
    seen = [next(half).name for _ in range(100)]
    os.chdir(d.path)
    stop, done, wrong = threading.Event(), [], []

    def work():
        n = 0
        try:
            while not stop.is_set():
                os.mkdir("w%d" % n)
                t.write("w%d/x" % n, b"%d" % n)
                os.rename("w%d/x" % n, "w%d/y" % n)
                t.eq(t.read("w%d/y" % n), b"%d" % n, "content")
                os.unlink("w%d/y" % n)
                os.rmdir("w%d" % n)
                n += 1
                done.append(n)
        except Exception as e:  # each step must happen exactly once
            wrong.append("step %d: %r" % (n, e))
    th = threading.Thread(target=work, daemon=True)
    th.start()
    for i in range(3):
        at = len(done)
        t.wait_for(lambda n=at: len(done) > n or wrong, "work before the kill", 30)
        old = [p for p, k in daemons().items() if k == "daemon"]
        t.eq(len(old), 1, "one daemon")
        t.kill_daemon(old[0])
        t.ok(os.pread(fd, len(data), 0)[9:] == data[9:], "an open file")
        os.pwrite(fd, b"round %d  " % i, 0)
        t.eq(t.read(d / "f")[:7], b"round %d" % i, "written after the kill")
        t.wait_for(lambda o=old: [p for p, k in daemons().items() if k == "daemon" and p not in o], "a new daemon", 30)
        at = len(done)
        t.wait_for(lambda n=at: len(done) > n or wrong, "work after the kill", 30)
    stop.set()
    th.join(30)
    t.eq(wrong, [], "what went wrong")
    t.eq(sorted(seen + [e.name for e in half]), ["%03d" % i for i in range(600)], "the half-read directory")
    os.close(fd)
    os.mkdir(SNAPS + "/after")
    # For a minute the new daemon does not know who walked where, and wants it said.
    os.setxattr(SNAPS + "/after", "ontap.arm", b"after")
    t.drop(SNAPS + "/after")


@test(limit=90)
def a_filer_that_went_is_waited_for():
    d = Dir()
    t.write(d / "f", "before")
    host(t.ONTAPSIM, "down", t.SIM)
    th = threading.Thread(target=t.write, args=(d / "f", "while away"), daemon=True)
    th.start()
    th.join(2)
    try:
        t.ok(th.is_alive(), "nothing is answered without a server")
    finally:
        host(t.ONTAPSIM, "up", t.SIM)
    th.join(60)
    t.eq(host_read(d.host + "/f"), b"while away", "in the store")


@test
def unmount_ends_everything():
    t.ok(daemons(), "holder and daemon are there")
    GW.down()
    t.wait_for(lambda: not daemons(), "no process is left", 20)
    log = t.read(GW.log).decode(errors="replace")
    t.ok(not re.search(r"\bBUG\b|assert|unhandled|SIGSEGV|SIGABRT", log), "the log is clean:\n" + log)


main("gateway", mount, GW.log)
