"""The kernel's NFSv3 client on the simulator's NFS face.

It judges the simulator alone: no part of the gateway runs here. Each test has a
directory of its own in volume project1.

    nfs_client.py [-k REGEX]...
"""
import ctypes
import errno
import hashlib
import mmap
import os
import random
import shutil
import socket
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from guest import GUEST_ADDRESS, host, host_read, host_store, host_write, main, t, test  # noqa: E402

MNT = "/run/project1"
# What a file server keeps from a client for at most this long: attributes of directories.
ATTR_MAX = 35


class Filer:
    """Addresses of a simulator on the host."""

    def __init__(self, sim=None):
        self.sim = sim or t.SIM
        self.port = t.backend(self.sim)["ontapfs"]["nfsPort"]
        recs = self.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address")["records"]
        self.lifs = [r["ip"]["address"] for r in recs]

    def rest(self, method, path, body=None):
        return t.rest(method, path, body, self.sim)[1]

    def mount(self, what, where, *options, lif=0):
        """Without mount.nfs: the kernel understands it all."""
        os.makedirs(where, exist_ok=True)
        addr = self.lifs[lif]
        opts = ["vers=3", "proto=tcp", "port=%d" % self.port, "addr=" + addr, "mountproto=tcp", "mountvers=3",
                "mountport=%d" % self.port, "mountaddr=" + addr, "nolock", "hard", *options]
        src, dst, o = (ctypes.c_char_p(x.encode()) for x in (addr + ":" + what, where, ",".join(opts)))
        if t.libc.mount(src, dst, b"nfs", 0, o) < 0:
            raise OSError(ctypes.get_errno(), "mount %s -o %s" % (what, ",".join(opts)))
        return where


def umount(where):
    t.run("umount", where)


class Dir:
    """A directory for this test, on the mount and on the host."""

    def __init__(self, mode=0o755):
        name = "%s-%d" % (sys._getframe(1).f_code.co_name.replace("_", "-")[:40], os.getpid())
        self.path, self.host = MNT + "/" + name, host_store() + "/" + name
        os.mkdir(self.path)
        os.chmod(self.path, mode)

    def __truediv__(self, name):
        return self.path + "/" + name


def digest(data):
    return hashlib.sha256(data).hexdigest()


def host_digest(path):
    return host("sha256sum", path).split()[0].decode()


def open_rules():
    """The rules of the default policy: [(path in REST, rule)]."""
    f = Filer()
    out = []
    for p in f.rest("GET", "/protocols/nfs/export-policies?fields=id,name&name=default")["records"]:
        at = "/protocols/nfs/export-policies/%s/rules" % p["id"]
        out += [("%s/%s" % (at, r["index"]), r) for r in f.rest("GET", at + "?fields=*")["records"]]
        return at, out
    return t.fail("no policy named default")


# ---- mounting ------------------------------------------------------------------

@test
def a_client_without_an_export_rule_is_refused():
    t.expect(errno.EACCES, Filer().mount, "/project1", "/run/refused")


def let_us_in():
    at, _ = open_rules()
    t.rest("POST", at, {"clients": [{"match": GUEST_ADDRESS + "/32"}], "ro_rule": ["sys"], "rw_rule": ["sys"],
                        "superuser": ["sys"], "protocols": ["nfs3"]})
    Filer().mount("/project1", MNT)


@test
def transfer_sizes_are_the_servers():
    with open("/proc/mounts", encoding="ascii") as f:
        opts = [x.split()[3] for x in f if x.split()[1] == MNT][0].split(",")
    t.ok("rsize=1048576" in opts and "wsize=1048576" in opts, "1 MiB: " + ",".join(opts))
    t.ok("vers=3" in opts, "version 3")


@test
def what_is_not_there_cannot_be_mounted():
    t.expect(errno.ENOENT, Filer().mount, "/nosuch", "/run/nosuch")
    t.write(MNT + "/plain", "")
    t.expect(errno.ENOTDIR, Filer().mount, "/project1/plain", "/run/nosuch")
    os.unlink(MNT + "/plain")


@test
def the_root_leads_to_all_volumes():
    m = Filer().mount("/", "/run/root")
    t.ok({"project1", "imagenet"} <= set(os.listdir(m)), "junctions in the root: %s" % os.listdir(m))
    t.write(MNT + "/seen", "through the root")
    t.eq(t.read(m + "/project1/seen"), b"through the root", "content")
    t.ok(os.stat(m).st_dev != os.stat(m + "/project1").st_dev, "a volume is a file system of its own")
    t.expect(errno.EXDEV, os.rename, m + "/project1/seen", m + "/imagenet/seen")
    t.expect(errno.EXDEV, os.link, m + "/project1/seen", m + "/imagenet/seen")
    os.unlink(MNT + "/seen")
    umount(m)


@test
def a_directory_below_the_junction_can_be_mounted():
    d = Dir()
    os.makedirs(d / "a/b")
    t.write(d / "a/b/f", "deep")
    m = Filer().mount("/project1/" + os.path.basename(d.path) + "/a/b", "/run/deep")
    t.eq(os.listdir(m), ["f"], "its entries")
    umount(m)


@test
def both_lifs_serve_and_many_connections():
    f, d, data = Filer(), Dir(), os.urandom(8 << 20)
    m = f.mount("/project1", "/run/second", "nconnect=4", "nosharecache", lif=1)
    t.write(d / "f", data)
    t.ok(t.read("%s/%s/f" % (m, os.path.basename(d.path))) == data, "the other LIF reads what this one wrote")
    umount(m)


@test
def root_is_squashed_by_rule():
    d = Dir(0o777)
    mine = [(p, r) for p, r in open_rules()[1] if r["clients"][0]["match"].startswith(GUEST_ADDRESS)]
    try:
        t.rest("PATCH", mine[0][0], {"superuser": ["none"]})
        t.write(d / "f", "squashed")
        t.eq((os.stat(d / "f").st_uid, os.stat(d / "f").st_gid), (65534, 65534), "owner")
        t.run_as(t.A, t.A, t.write, d / "g", "not squashed")
        t.eq(os.stat(d / "g").st_uid, t.A, "owner of another user's file")
        t.expect(errno.EPERM, os.chown, d / "g", 1, 1)
    finally:
        t.rest("PATCH", mine[0][0], {"superuser": ["sys"]})
    os.chown(d / "g", 1, 1)


# ---- files ---------------------------------------------------------------------

@test
def files_are_created_written_read_and_removed():
    d = Dir()
    for size in (0, 1, 4095, 4096, 65537, 1 << 20, (3 << 20) + 7):
        data = os.urandom(size)
        t.write(d / "f", data)
        t.eq(os.path.getsize(d / "f"), size, "size")
        t.ok(t.read(d / "f") == data, "%d bytes from the client" % size)
        t.ok(host_read(d.host + "/f") == data, "%d bytes in the store" % size)
        os.unlink(d / "f")
        t.expect(errno.ENOENT, os.stat, d / "f")


@test
def open_flags_do_what_they_say():
    d = Dir()
    os.close(os.open(d / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
    st = os.stat(d / "f")
    t.eq(stat.S_IMODE(st.st_mode), 0o640 & ~os.umask(0o022), "mode after O_EXCL")
    t.ok(abs(st.st_mtime - time.time()) < 60, "time after O_EXCL: no verifier is left in it: %s" % st.st_mtime)
    t.expect(errno.EEXIST, os.open, d / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    t.write(d / "f", "0123456789")
    t.write(d / "f", "abc", os.O_WRONLY | os.O_TRUNC)
    t.write(d / "f", "def", os.O_WRONLY | os.O_APPEND)
    t.eq(t.read(d / "f"), b"abcdef", "truncated, then appended to")
    t.expect(errno.ENOENT, os.open, d / "g", os.O_RDWR)
    t.expect(errno.ENOTDIR, os.open, d / "f/g", os.O_RDWR)
    t.expect(errno.EISDIR, os.open, d.path, os.O_RDWR)


@test
def exclusive_creation_has_one_winner():
    d = Dir()
    f = Filer().mount("/project1", "/run/other", "nosharecache")
    other = f + "/" + os.path.basename(d.path)
    for n in range(20):
        pids = []
        for i in range(4):
            pid = os.fork()
            if pid == 0:
                got = t.errno_of(os.open, "%s/f%d" % ((d.path, other)[i % 2], n), os.O_CREAT | os.O_EXCL | os.O_RDWR)
                os._exit(0 if got == 0 else 1 if got == errno.EEXIST else 2)
            pids.append(pid)
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in pids)
        t.eq(codes, [0, 1, 1, 1], "one made it, three found it made")
    umount(f)


@test
def names_change_and_files_replace_each_other():
    d = Dir()
    t.write(d / "a", "a")
    t.write(d / "b", "b")
    os.rename(d / "a", d / "b")
    t.eq(t.read(d / "b"), b"a", "replaced")
    t.expect(errno.ENOENT, os.stat, d / "a")
    os.mkdir(d / "x")
    os.mkdir(d / "y")
    t.write(d / "y/f", "")
    t.expect(errno.ENOTEMPTY, os.rename, d / "x", d / "y")
    t.expect(errno.ENOTEMPTY, os.rmdir, d / "y")
    t.expect(errno.EISDIR, os.rename, d / "b", d / "x")
    t.expect(errno.ENOTDIR, os.rename, d / "x", d / "b")
    t.expect(errno.EINVAL, os.rename, d / "y", d / "y/z")
    os.rename(d / "y/f", d / "x/f")
    os.rename(d / "x", d / "y")
    t.eq(os.listdir(d / "y"), ["f"], "moved")
    t.expect(errno.ENOENT, os.rename, d / "none", d / "none2")


@test
def open_and_removed_files_stay_until_closed():
    d = Dir()
    data = os.urandom(1 << 20)
    t.write(d / "f", data)
    t.write(d / "g", "other")
    fd = os.open(d / "f", os.O_RDWR)
    os.unlink(d / "f")
    t.ok(os.pread(fd, len(data), 0) == data, "read after unlink")
    os.pwrite(fd, b"more", len(data))
    t.eq(os.fstat(fd).st_size, len(data) + 4, "size after unlink")
    os.close(fd)
    fd = os.open(d / "g", os.O_RDONLY)
    t.write(d / "h", "new")
    os.rename(d / "h", d / "g")
    t.eq(os.pread(fd, 10, 0), b"other", "read after being replaced")
    os.close(fd)
    t.wait_for(lambda: host("ls", "-A", d.host).decode().split() == ["g"], "no .nfs file is left in the store")


@test
def hard_links_share_everything():
    d = Dir()
    t.write(d / "a", "one")
    os.link(d / "a", d / "b")
    t.write(d / "b", "two")
    t.eq(t.read(d / "a"), b"two", "content")
    t.eq(os.stat(d / "a").st_ino, os.stat(d / "b").st_ino, "file id")
    t.eq(os.stat(d / "a").st_nlink, 2, "links")
    os.unlink(d / "a")
    t.eq(os.stat(d / "b").st_nlink, 1, "links")
    t.expect(errno.EEXIST, os.link, d / "b", d.path)
    t.expect(errno.EPERM, os.link, d.path, d / "dirlink")


@test
def symbolic_links_say_what_they_were_told():
    d = Dir()
    for i, target in enumerate(("f", "../x/y", "/abs/olute", "a" * 1000, "ümlaut €", "x" * 4000)):
        os.symlink(target, d / ("l%d" % i))
        t.eq(os.readlink(d / ("l%d" % i)), target, "target")
        t.eq(host("readlink", "-n", "%s/l%d" % (d.host, i)).decode(), target, "target in the store")
    t.write(d / "f", "reached")
    t.eq(t.read(d / "l0"), b"reached", "through the link")
    t.expect(errno.ENOENT, os.stat, d / "l1")
    t.expect(errno.EINVAL, os.readlink, d / "f")
    os.symlink("loop", d / "loop")
    t.expect(errno.ELOOP, os.stat, d / "loop")


@test
def special_files_are_what_they_are():
    d = Dir()
    os.mkfifo(d / "fifo", 0o640)
    os.mknod(d / "chr", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(d / "blk", stat.S_IFBLK | 0o600, os.makedev(259, 70000))
    s = socket.socket(socket.AF_UNIX)
    os.chdir(d.path)
    s.bind("sock")
    want = {"fifo": "fifo", "chr": "character special file", "blk": "block special file", "sock": "socket"}
    for name, kind in want.items():
        t.eq(host("stat", "-c", "%F", d.host + "/" + name).decode().strip(), kind, name + " in the store")
    t.eq(os.stat("chr").st_rdev, os.makedev(1, 3), "device number")
    t.eq(os.stat("blk").st_rdev, os.makedev(259, 70000), "large device number")
    t.eq(os.stat("fifo").st_mode, stat.S_IFIFO | 0o640, "mode")
    with open("chr", "wb") as f:
        f.write(b"into /dev/null")
    pid = os.fork()
    if pid == 0:
        t.write("fifo", "through", os.O_WRONLY)
        os._exit(0)
    t.eq(t.read("fifo"), b"through", "a fifo works between processes of one machine")
    os.waitpid(pid, 0)
    s.close()


@test
def names_of_all_kinds():
    d = Dir()
    names = ["a b", "-n", "tab\there", "new\nline", "ä€𝄞", "x" * 255, "...", "~", "*?", "\\", "'\""]
    for n in names:
        t.write(d / n, n)
    os.mkdir((d / "raw").encode() + b"\xff\xfe")
    got = {x for x in os.listdir(os.fsencode(d.path))}
    t.eq(got, {n.encode() for n in names} | {b"raw\xff\xfe"}, "all listed")
    for n in names:
        t.eq(t.read(d / n), n.encode(), "content")
    t.expect(errno.ENAMETOOLONG, t.write, d / ("x" * 256), "")


@test
def permissions_hold_for_two_users():
    d = Dir(0o777)
    a, b = t.A, t.B
    t.run_as(a, a, t.write, d / "f", "of A", os.O_WRONLY | os.O_CREAT, 0o640)
    t.eq((os.stat(d / "f").st_uid, os.stat(d / "f").st_gid), (a, a), "owner")
    t.eq(t.run_as(a, a, t.read, d / "f"), b"of A", "the owner reads")
    for fn, args in ((t.read, (d / "f",)), (t.write, (d / "f", "by B")), (os.truncate, (d / "f", 0))):
        t.eq(t.run_as(b, b, t.errno_of, fn, *args), errno.EACCES, "B " + fn.__name__)
    t.eq(t.run_as(b, b, t.errno_of, os.chmod, d / "f", 0o666), errno.EPERM, "B changes the mode")
    t.eq(t.run_as(b, b, t.read, d / "f", groups=[a]), b"of A", "a member of the group reads")
    t.eq(t.run_as(b, b, t.errno_of, t.write, d / "f", "x", groups=[a]), errno.EACCES, "but does not write")
    os.chmod(d / "f", 0o666)
    t.run_as(b, b, t.write, d / "f", "by B")
    os.mkdir(d / "sticky")
    os.chmod(d / "sticky", 0o1777)
    t.run_as(a, a, t.write, d / "sticky/f", "")
    t.eq(t.run_as(b, b, t.errno_of, os.unlink, d / "sticky/f"), errno.EPERM, "the sticky bit keeps A's file")
    os.mkdir(d / "team")
    os.chown(d / "team", a, t.TEAM)
    os.chmod(d / "team", 0o2770)
    t.run_as(a, a, t.write, d / "team/f", "", groups=[t.TEAM])
    t.eq(os.stat(d / "team/f").st_gid, t.TEAM, "group of a setgid directory")
    t.eq(t.run_as(b, b, t.errno_of, os.listdir, d / "team"), errno.EACCES, "B lists")
    t.eq(t.run_as(b, b, os.access, d / "f", os.R_OK | os.W_OK), True, "access")
    t.eq(t.run_as(b, b, os.access, d / "team", os.X_OK), False, "access")
    # Whoever has it open keeps his right, as on a local disk.
    def keeps():
        fd = os.open(d / "own", os.O_RDWR | os.O_CREAT, 0o600)
        os.fchmod(fd, 0)
        os.write(fd, b"kept")
        os.fsync(fd)
        return os.pread(fd, 4, 0)
    t.eq(t.run_as(a, a, keeps), b"kept", "the owner's open file after chmod 0")
    t.eq(t.run_as(a, a, t.errno_of, os.open, d / "own", os.O_RDONLY), errno.EACCES, "a new open after chmod 0")


@test
def owners_modes_and_setuid():
    d = Dir()
    t.write(d / "f", "x")
    os.chown(d / "f", t.A, t.TEAM)
    os.chmod(d / "f", 0o6755)
    t.eq(stat.S_IMODE(os.stat(d / "f").st_mode), 0o6755, "setuid and setgid")
    t.eq(host("stat", "-c", "%u:%g %a", d.host + "/f").strip(), b"%d:%d 6755" % (t.A, t.TEAM), "in the store")
    os.chown(d / "f", t.B, -1)
    t.eq(os.stat(d / "f").st_mode & (stat.S_ISUID | stat.S_ISGID), 0, "a new owner takes the setuid bits away")
    os.chmod(d / "f", 0o4777)
    t.run_as(t.A, t.A, t.write, d / "f", "y", os.O_WRONLY)
    t.eq(os.stat(d / "f").st_mode & stat.S_ISUID, 0, "so does a write by another user")
    t.eq(t.run_as(t.A, t.A, t.errno_of, os.chown, d / "f", t.A, t.A), errno.EPERM, "giving away")


@test(limit=150)
def ten_thousand_entries_are_listed_once_each():
    d = Dir()
    host("python3", "-c", "import os,sys\nfor i in range(10000): os.mknod('%s/entry-with-a-name-%05d' % (sys.argv[1], i))",
         d.host)
    want = ["entry-with-a-name-%05d" % i for i in range(10000)]
    t.eq(sorted(os.listdir(d.path)), want, "with READDIRPLUS or not, as the client likes")
    n = sum(1 for e in os.scandir(d.path) if e.stat().st_size == 0)
    t.eq(n, 10000, "and their attributes")
    m = Filer().mount("/project1", "/run/plain", "nordirplus", "nosharecache")
    t.eq(sorted(os.listdir(m + "/" + os.path.basename(d.path))), want, "with READDIR alone")
    umount(m)
    # A walk that removes what it sees must not miss anything.
    half = os.scandir(d.path)
    for i, e in enumerate(half):
        if i % 10 == 0:
            os.unlink(e.path)
    t.eq(len(os.listdir(d.path)), 9000, "one in ten removed while reading")


@test
def large_files_keep_every_byte():
    d = Dir()
    block = 1 << 20
    h = hashlib.sha256()
    with open(d / "big", "wb", buffering=0) as f:
        for i in range(96):
            data = t.stamped(i, size=4096) * (block // 4096)
            h.update(data)
            f.write(data)
    t.eq(host_digest(d.host + "/big"), h.hexdigest(), "in the store")
    m = Filer().mount("/project1", "/run/fresh", "nosharecache", "rsize=65536")
    t.eq(digest(t.read("%s/%s/big" % (m, os.path.basename(d.path)))), h.hexdigest(), "read anew, 64 KiB at a time")
    umount(m)
    for at in ((4 << 30) - 3, (1 << 40) + 5):
        t.write(d / "sparse", "")
        fd = os.open(d / "sparse", os.O_RDWR)
        os.pwrite(fd, b"behind the hole", at)
        os.close(fd)
        t.eq(os.path.getsize(d / "sparse"), at + 15, "size")
        with open(d / "sparse", "rb") as f:
            f.seek(at - 10)
            t.eq(f.read(), bytes(10) + b"behind the hole", "content behind a hole")


@test
def truncation_cuts_and_fills():
    d = Dir()
    t.write(d / "f", os.urandom(100000))
    os.truncate(d / "f", 5)
    os.truncate(d / "f", 50000)
    t.eq(t.read(d / "f")[5:], bytes(49995), "zeros where data was")
    fd = os.open(d / "f", os.O_RDWR)
    os.pwrite(fd, b"x" * 10000, 45000)
    os.ftruncate(fd, 46000)
    os.close(fd)
    t.eq(len(host_read(d.host + "/f")), 46000, "size in the store")
    t.eq(host_read(d.host + "/f")[44999:45001], b"\0x", "content in the store")


@test
def random_io_equals_a_plain_file():
    d, r = Dir(), random.Random(20)
    with open("/tmp/model", "w+b", buffering=0) as model, open(d / "f", "w+b", buffering=0) as f:
        for _ in range(600):
            at, length = r.randrange(1 << 21), r.randrange(1, 1 << 16)
            what = r.choice("wwwrrrtsS")
            if what == "w":
                data = r.randbytes(length)
                os.pwrite(f.fileno(), data, at)
                os.pwrite(model.fileno(), data, at)
            elif what == "r":
                t.ok(os.pread(f.fileno(), length, at) == os.pread(model.fileno(), length, at), "read at %d" % at)
            elif what == "t" and r.random() < 0.3:
                os.ftruncate(f.fileno(), at)
                os.ftruncate(model.fileno(), at)
            elif what == "s":
                os.fsync(f.fileno())
            elif what == "S":  # forget what is cached
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    t.eq(host_digest(d.host + "/f"), digest(t.read("/tmp/model")), "in the store")


@test
def mapped_files_are_written_back():
    d = Dir()
    t.write(d / "f", bytes(1 << 20))
    with open(d / "f", "r+b") as f:
        m = mmap.mmap(f.fileno(), 0)
        for i in range(0, 1 << 20, 65536):
            m[i:i + 4] = b"page"
        m.flush()
        t.eq(host_read(d.host + "/f")[65536:65540], b"page", "in the store after msync")
        m[0:4] = b"last"
        m.close()
    t.eq(host_read(d.host + "/f")[:4], b"last", "in the store after close")
    with open(d / "f", "rb") as f:
        m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        t.eq((m[:4], m[65536:65540]), (b"last", b"page"), "read through a map")


@test
def appends_of_four_processes_on_one_mount_are_whole():
    d = Dir()
    pids = []
    for w in range(4):
        pid = os.fork()
        if pid == 0:
            fd = os.open(d / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for i in range(50):
                os.write(fd, b"%d %04d %s\n" % (w, i, b"." * 100))
            os._exit(0)
        pids.append(pid)
    for p in pids:
        t.eq(os.waitpid(p, 0)[1], 0, "exit of a writer")
    lines = host_read(d.host + "/log").splitlines()
    t.eq(len(lines), 200, "lines")
    t.eq(sorted(lines), [b"%d %04d %s" % (w, i, b"." * 100) for w in range(4) for i in range(50)], "each once")


@test
def times_are_kept_to_the_nanosecond():
    d = Dir()
    t.write(d / "f", "x")
    os.utime(d / "f", ns=(1234567890123456789, 987654321987654321))
    st = os.stat(d / "f")
    t.eq((st.st_atime_ns, st.st_mtime_ns), (1234567890123456789, 987654321987654321), "times")
    t.eq(host("stat", "-c", "%.9X %.9Y", d.host + "/f").strip(), b"1234567890.123456789 987654321.987654321", "in the store")
    os.utime(d / "f")
    t.ok(abs(os.stat(d / "f").st_mtime - time.time()) < 30, "now")
    os.chmod(d / "f", 0o666)
    t.eq(t.run_as(t.B, t.B, t.errno_of, os.utime, d / "f"), 0, "who may write may set the time to now")
    t.eq(t.run_as(t.B, t.B, t.errno_of, os.utime, d / "f", (1, 1)), errno.EPERM, "but not to another")
    before = os.stat(d.path).st_mtime_ns
    t.write(d / "g", "")
    t.ok(os.stat(d.path).st_mtime_ns > before, "a directory's time follows its entries")


@test
def space_is_that_of_the_volume():
    v = os.statvfs(MNT)
    want = Filer().rest("GET", "/storage/volumes?name=project1&fields=space.afs_total")["records"][0]["space"]["afs_total"]
    t.ok(0 <= v.f_blocks * v.f_frsize - want < v.f_frsize, "size: %d, want %d" % (v.f_blocks * v.f_frsize, want))
    t.ok(0 < v.f_bavail <= v.f_bfree <= v.f_blocks, "free")
    t.ok(0 < v.f_ffree <= v.f_files, "inodes")
    t.eq(v.f_namemax, 255, "longest name")


@test
def shell_habits_work():
    d = Dir()
    os.chdir(d.path)
    script = r"""
        set -e
        mkdir -p src/a/b src/c; for i in 1 2 3 4 5 6 7 8 9; do echo "file $i" >src/a/f$i; done
        ln src/a/f1 src/c/hard; ln -s ../a/f2 src/c/soft; mkfifo src/c/fifo; chmod 4711 src/a/f3
        tar -cf t.tar src; mkdir out; tar -C out -xpf t.tar; diff -r --no-dereference src/a out/src/a
        test "$(stat -c %h out/src/c/hard)" = 2; test "$(stat -c %a out/src/a/f3)" = 4711
        cp -a src copy; rm copy/c/fifo src/c/fifo; diff -r src copy; mv copy moved; du -s moved >/dev/null
        sed -i s/file/line/ moved/a/f1; grep -q 'line 1' moved/a/f1; sort moved/a/f* | uniq -c >/dev/null
        find . -name 'f?' | wc -l | grep -qx 27; rm -r src out moved; ls | grep -qx t.tar
        dd if=/dev/zero of=dd bs=64k count=16 conv=fsync 2>/dev/null; truncate -s 100 dd; test "$(wc -c <dd)" = 100
        ( flock 9; echo locked >under ) 9>lock
    """
    t.run("sh", "-c", script)


@test(limit=120)
def git_and_the_compiler_work():
    t.need("git", "gcc")
    d = Dir()
    os.chdir(d.path)
    script = r"""
        set -e
        git init -q r; cd r; git config user.email a@b; git config user.name n
        printf '#include "h.h"\nint main(void) { return f(); }\n' >m.c
        printf '#include "h.h"\nint f(void) { return 42; }\n' >f.c; printf 'int f(void);\n' >h.h
        git add .; git commit -qm one; git checkout -q -b side; echo '/* x */' >>f.c; git commit -qam two
        git checkout -q -; git merge -q side; git gc -q; git fsck --strict --no-progress; test -z "$(git status --porcelain)"
        gcc -o prog m.c f.c; st=0; ./prog || st=$?; test $st = 42
    """
    t.run("sh", "-c", script, timeout=110)


# ---- what others do --------------------------------------------------------------

@test
def closed_files_are_seen_by_who_opens_them():
    d = Dir()
    for i in range(10):
        t.write(d / "ours", "round %d" % i)
        t.eq(host_read(d.host + "/ours"), b"round %d" % i, "the store after our close")
        host_write(d.host + "/theirs", "turn %d" % i)
        if i == 0:
            t.wait_for(lambda: os.path.exists(d / "theirs"), "their new name", ATTR_MAX)
        t.eq(t.read(d / "theirs"), b"turn %d" % i, "our open after theirs was closed")
    host("sh", "-c", "echo replaced >%s/tmp && mv %s/tmp %s/theirs" % (d.host, d.host, d.host))
    t.wait_for(lambda: t.read(d / "theirs") == b"replaced\n", "another file under the old name", ATTR_MAX)


@test
def two_mounts_see_each_others_closed_files():
    d = Dir()
    m = Filer().mount("/project1", "/run/another", "nosharecache", "noac", lif=1)
    there = m + "/" + os.path.basename(d.path)
    for i in range(20):
        t.write(d / "f", b"%d" % i * (i + 1))
        t.eq(t.read(there + "/f"), b"%d" % i * (i + 1), "there")
        t.write(there + "/g", b"%d" % i * (i + 1))
        t.eq(t.read(d / "g") if i else t.wait_for(lambda: t.read(d / "g"), "g", ATTR_MAX), b"%d" % i * (i + 1), "here")
    umount(m)


@test
def a_file_removed_elsewhere_is_stale():
    d = Dir()
    t.write(d / "f", "x" * 100000)
    fd = os.open(d / "f", os.O_RDONLY)
    host("rm", d.host + "/f")
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    t.expect(errno.ESTALE, os.pread, fd, 100000, 0)
    os.close(fd)
    t.wait_for(lambda: t.errno_of(os.stat, d / "f") == errno.ENOENT, "the name to go", ATTR_MAX)


@test
def an_id_used_again_is_another_file():
    d = Dir()
    seen = {}
    for i in range(50):
        t.write(d / "f", b"%d" % i)
        st = os.stat(d / "f")
        t.eq(t.read(d / "f"), b"%d" % i, "content")
        seen[st.st_ino] = seen.get(st.st_ino, 0) + 1
        os.unlink(d / "f")


# ---- snapshots -------------------------------------------------------------------

@test
def snapshots_are_entered_by_name_in_every_directory():
    d, s = Dir(), "by-name"
    os.mkdir(d / "sub")
    t.write(d / "f", "before")
    t.write(d / "sub/g", "before")
    t.rest_snapshot_create(s)
    t.write(d / "f", "after")
    os.unlink(d / "sub/g")
    name = os.path.basename(d.path)
    for p in ("%s/.snapshot/%s/%s" % (MNT, s, name), "%s/.snapshot/%s" % (d.path, s)):
        t.eq(t.read(p + "/f"), b"before", p)
        t.eq(t.read(p + "/sub/g"), b"before", p)
    t.eq(t.read(d / "sub/.snapshot/%s/g" % s), b"before", "in a directory below")
    t.eq(t.read(d / "f"), b"after", "live")
    t.ok(".snapshot" in os.listdir(MNT), "listed in the root")
    t.ok(".snapshot" not in os.listdir(d.path), "not listed below")
    t.ok(s in os.listdir(MNT + "/.snapshot"), "lists its snapshots")
    t.expect(errno.ENOENT, os.stat, MNT + "/.snapshot/none")
    live, frozen = os.stat(d / "f"), os.stat(d / (".snapshot/%s/f" % s))
    t.eq(frozen.st_ino, live.st_ino, "the file id is the same")
    t.ok(frozen.st_dev != live.st_dev, "the file system is another")
    t.rest_snapshot_delete(s)


@test
def snapshots_cannot_be_changed():
    d, s = Dir(0o777), "frozen"
    t.write(d / "f", "x")
    os.mkdir(d / "e")
    t.rest_snapshot_create(s)
    p = "%s/.snapshot/%s" % (d.path, s)
    for fn, args in ((t.write, (p + "/f", "y")), (t.write, (p + "/new", "y")), (os.unlink, (p + "/f",)),
                     (os.rmdir, (p + "/e",)), (os.mkdir, (p + "/m",)), (os.rename, (p + "/f", p + "/g")),
                     (os.link, (p + "/f", p + "/h")), (os.symlink, ("x", p + "/l")), (os.chmod, (p + "/f", 0o600)),
                     (os.chown, (p + "/f", 1, 1)), (os.truncate, (p + "/f", 0)), (os.utime, (p + "/f",)),
                     (os.mkfifo, (p + "/fifo",))):
        # For what is there the client asks ACCESS first, and does not try what that denies.
        t.expect((errno.EROFS, errno.EACCES), fn, *args)
    t.expect((errno.EROFS, errno.EEXIST), os.mkdir, d / ".snapshot")
    t.expect((errno.EROFS, errno.EACCES), os.mkdir, d / ".snapshot/new")
    t.expect(errno.EXDEV, os.link, p + "/f", d / "linked")
    t.expect(errno.EXDEV, os.rename, p + "/f", d / "moved")
    t.eq(t.read(p + "/f"), b"x", "content")
    t.rest_snapshot_delete(s)


@test
def a_deleted_snapshot_is_stale_and_its_name_free_again():
    d, s = Dir(), "doomed"
    m = Filer().mount("/project1", "/run/impatient", "nosharecache", "actimeo=1")
    t.write(d / "f", os.urandom(1 << 20))
    t.rest_snapshot_create(s)
    root = m + "/.snapshot/" + s
    f = "%s/%s/f" % (root, os.path.basename(d.path))
    fd = os.open(f, os.O_RDONLY)
    t.eq(len(os.pread(fd, 4096, 0)), 4096, "read before")
    t.rest_snapshot_delete(s)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    t.expect(errno.ESTALE, os.pread, fd, 4096, 512 << 10)
    os.close(fd)
    t.wait_for(lambda: t.errno_of(os.open, f, os.O_RDONLY) in (errno.ESTALE, errno.ENOENT), "the name to go")
    t.wait_for(lambda: s not in os.listdir(m + "/.snapshot"), "the list to show it")
    t.write(d / "f", "second")
    t.rest_snapshot_create(s)
    # The client mounted the old one by itself, as another file system, and keeps it.
    if any(p == root for p, _, _ in t.mounts_below(root)):
        umount(root)
    t.wait_for(lambda: t.errno_of(t.read, f) == 0, "the new snapshot")
    t.eq(t.read(f), b"second", "content of the new snapshot")
    t.rest_snapshot_delete(s)
    t.run("umount", "-l", m)


@test
def a_restored_volume_makes_old_handles_stale():
    v = "restored-%d" % os.getpid()
    aggr = Filer().rest("GET", "/storage/volumes?name=project1&fields=aggregates.name,svm.name")["records"][0]
    t.rest_job("POST", "/storage/volumes", {"name": v.replace("-", "_"), "svm": {"name": aggr["svm"]["name"]},
                                            "aggregates": [{"name": aggr["aggregates"][0]["name"]}], "size": 1 << 30,
                                            "nas": {"path": "/" + v, "export_policy": {"name": "default"}}})
    v_name = v.replace("-", "_")
    m = Filer().mount("/" + v, "/run/" + v)
    t.write(m + "/f", "old")
    t.rest_snapshot_create("s", v_name)
    t.write(m + "/f", "new content")
    fd = os.open(m + "/f", os.O_RDONLY)
    t.rest_job("PATCH", "/storage/volumes/%s?restore_to.snapshot.name=s" % t.volume_uuid(v_name), {})
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    t.expect(errno.ESTALE, os.pread, fd, 100, 0)
    os.close(fd)
    t.run("umount", "-l", m)
    m = Filer().mount("/" + v, "/run/" + v + "-again")
    t.eq(t.read(m + "/f"), b"old", "after the restore")
    umount(m)


@test
def thirty_two_bit_file_ids_do_no_harm():
    m = Filer().mount("/imagenet", "/run/imagenet")
    d = m + "/ids"
    os.mkdir(d)
    for i in range(64):
        t.write("%s/f%d" % (d, i), b"%d" % i)
    ids = [os.stat("%s/f%d" % (d, i)).st_ino for i in range(64)]
    t.ok(len(set(ids)) < 64, "some ids are shared")
    t.ok(max(ids) < 1 << 32, "ids have 32 bits")
    m2 = Filer().mount("/imagenet", "/run/imagenet2", "nosharecache")
    for i in range(64):
        t.eq(t.read("%s/ids/f%d" % (m2, i)), b"%d" % i, "content of f%d" % i)
    t.eq(len(os.listdir(m2 + "/ids")), 64, "all listed")
    shutil.rmtree(d)
    umount(m2)
    umount(m)


# ---- trouble -----------------------------------------------------------------------

@test(limit=120)
def a_server_that_went_is_waited_for():
    d = Dir()
    t.write(d / "f", "before")
    fd = os.open(d / "f", os.O_RDWR)
    host(t.ONTAPSIM, "down", t.SIM)
    done = []

    def work():
        os.pwrite(fd, b"while away", 0)
        os.fsync(fd)
        t.write(d / "made", "while away")
        os.rename(d / "made", d / "renamed")
        done.append(os.listdir(d.path))
    th = threading.Thread(target=work)
    th.start()
    th.join(2)
    try:
        t.ok(th.is_alive(), "nothing is answered without a server")
    finally:
        host(t.ONTAPSIM, "up", t.SIM)
    th.join(80)
    t.ok(done, "it goes on")
    t.eq(sorted(done[0]), ["f", "renamed"], "entries")
    t.eq(host_read(d.host + "/f"), b"while away", "content")
    os.close(fd)


@test(limit=120)
def a_lif_that_is_down_is_waited_for():
    d, f = Dir(), Filer()
    recs = f.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address,uuid")["records"]
    path = ["/network/ip/interfaces/" + r["uuid"] for r in recs if r["ip"]["address"] == f.lifs[0]][0]
    f.rest("PATCH", path, {"enabled": False})
    th = threading.Thread(target=t.write, args=(d / "f", "late"))
    th.start()
    th.join(2)
    try:
        t.ok(th.is_alive(), "nothing is answered over a LIF that is down")
    finally:
        f.rest("PATCH", path, {"enabled": True})
    th.join(80)
    t.eq(host_read(d.host + "/f"), b"late", "written when it came back")


@test(limit=180)
def uncommitted_writes_survive_a_crash_of_the_server():
    """With --unstable the server loses what was not committed: the client has to notice by the verifier and send it again."""
    sim = os.path.dirname(t.SIM) + "/unstable"
    host("mkdir", "-p", sim)
    host(t.ONTAPSIM, "up", sim, "--unstable")
    try:
        at = "/protocols/nfs/export-policies/%s/rules" % t.rest(
            "GET", "/protocols/nfs/export-policies?name=default", sim=sim)[1]["records"][0]["id"]
        t.rest("POST", at, {"clients": [{"match": GUEST_ADDRESS + "/32"}], "ro_rule": ["sys"], "rw_rule": ["sys"],
                            "superuser": ["sys"], "protocols": ["nfs3"]}, sim=sim)
        f = Filer(sim)
        m = f.mount("/project1", "/run/unstable", "wsize=65536")
        behind = host_store("project1", sim)
        data = os.urandom(16 << 20)
        with open(m + "/f", "wb", buffering=0) as out:
            out.write(data)
            # Sends all of it, which is no reason to have all of it committed.
            for write_then_wait in (2, 4):
                t.libc.sync_file_range(out.fileno(), ctypes.c_int64(0), ctypes.c_int64(0), write_then_wait)
            t.ok(int(host("stat", "-c", "%s", behind + "/f")) < len(data), "some of it is not in the store before a COMMIT")
            host("sh", "-c", 'kill -9 "$(cat "$1/run/nfs.pid")"; "$2" down "$1"; "$2" up "$1"', "sh", sim, t.ONTAPSIM)
            os.fsync(out.fileno())
            t.eq(host_digest(behind + "/f"), digest(data), "in the store after fsync")
        t.ok(t.read(m + "/f") == data, "content")
        umount(m)
    finally:
        host(t.ONTAPSIM, "destroy", sim)


main("nfs", let_us_in)
