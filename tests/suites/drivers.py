"""How each suite is driven: SUITES maps its name to a function of one Place.

A driver starts the suite's own programs in directories of the volume, reads what
they say, and adds a result for each test by its name.
"""
import contextlib
import glob
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading

import ontapfs_test as t

HERE = os.path.dirname(os.path.abspath(__file__))
CANNOT = 77  # exit status when a suite is not there


class Place:
    """Where a suite runs: paths of one volume by its mounts, and where results go."""

    def __init__(self, args, work, sim, paths, results):
        self.args, self.dir, self.work, self.sim, self.paths, self.results = args, args.dir, work, sim, paths, results
        self.outputs = os.path.join(work, "out")
        os.makedirs(self.outputs)

    def wanted(self, name):
        return not self.args.k or any(re.search(k, name) for k in self.args.k)

    def fresh(self, name, path=None):
        """An empty directory on the mount, open to all."""
        p = os.path.join(path or self.paths[0], re.sub(r"[^A-Za-z0-9.]+", "-", name))
        os.mkdir(p)
        os.chmod(p, 0o777)
        return p

    def program(self, *parts):
        p = os.path.join(self.dir, *parts)
        if not os.access(p, os.X_OK):
            print("%s is not there: build the suite first, see docs/TESTING.md" % p)
            sys.exit(CANNOT)
        return p

    def spawn(self, name, cmd, cwd, limit, env=None):
        """Runs a command, with all that it starts; (exit status or None after limit seconds, output)."""
        out = os.path.join(self.outputs, re.sub(r"[^A-Za-z0-9.]+", "-", name))
        with open(out, "ab") as f:
            p = subprocess.Popen(cmd, cwd=cwd, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                 env=dict(os.environ, **(env or {})), start_new_session=True)
            try:
                status = p.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(p.pid, signal.SIGKILL)
                p.wait(30)
        with open(out, "rb") as f:
            text = f.read().decode(errors="replace")
        return status, text

    def simple(self, name, cmd, limit=600, env=None, bad=None, cwd=None):
        """A test that is one command in a directory of its own; `bad` in its output fails it, too."""
        if not self.wanted(name):
            return
        d = cwd or self.fresh(name)
        status, text = self.spawn(name, cmd, d, limit, env)
        ok = status == 0 and not (bad and re.search(bad, text))
        self.results.add(name, ok, "exit %s\n%s" % ("after its time limit" if status is None else status, end(text)))
        if not cwd:
            shutil.rmtree(d, ignore_errors=True)


def end(text, lines=8):
    return "\n".join(text.strip().splitlines()[-lines:])


def entries(top):
    """{path: (mode, owner, group, size, target)} of a tree."""
    out = {}
    for root, dirs, files in os.walk(top):
        for n in dirs + files:
            p = os.path.join(root, n)
            st = os.lstat(p)
            out[os.path.relpath(p, top)] = (st.st_mode, st.st_uid, st.st_gid, st.st_size if stat.S_ISREG(st.st_mode) else 0,
                                            os.readlink(os.fsencode(p)) if stat.S_ISLNK(st.st_mode) else b"")
    return out


def ranges(fd, size):
    """(offset, length, is data) of a file, from the file system that knows its holes."""
    at = 0
    while at < size:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            data = size
        if data > at:
            yield at, data - at, False
        at = os.lseek(fd, data, os.SEEK_HOLE) if data < size else size
        if at > data:
            yield data, at - data, True


def same_bytes(store, other):
    """Compares two files; of a hole, which may be huge, the first and last page."""
    with open(store, "rb", 0) as a, open(other, "rb", 0) as b:
        for off, length, data in ranges(a.fileno(), os.fstat(a.fileno()).st_size):
            step = 1 << 20 if data else max(4096, (length - 1) // 4096 * 4096)
            for at in range(off, off + length, step):
                n = min(step if data else 4096, off + length - at)
                if os.pread(a.fileno(), n, at) != os.pread(b.fileno(), n, at):
                    return False
    return True


def differences(store, other):
    """What differs between a tree in the store and the same tree elsewhere."""
    a, b = entries(store), entries(other)
    out = ["%s: %s and %s" % (p, a.get(p), b.get(p)) for p in sorted(set(a) | set(b)) if a.get(p) != b.get(p)]
    return out or [p + ": other bytes" for p in a if stat.S_ISREG(a[p][0]) and
                   not same_bytes(os.path.join(store, p), os.path.join(other, p))]


def same_everywhere(place, name, sub):
    """One tree by all mounts, and in the server's store."""
    store = os.path.join(place.sim.path(), sub)
    for i, p in enumerate(place.paths, 1):
        diff = differences(store, os.path.join(p, sub))
        place.results.add("%s: mount %d shows what the server has" % (name, i), bool(os.listdir(store)) and not diff,
                          "store and mount differ:\n" + "\n".join(diff[:5]))


@contextlib.contextmanager
def snapshots_meanwhile(place, name):
    """With --snapshots: one is taken, renamed, compared with the server's and deleted, again and again."""
    if not place.args.snapshots:
        yield
        return
    stop, wrong, rounds = threading.Event(), [], [0]
    snapdir = os.path.join(place.paths[0], ".snapshots")

    def work():
        while not stop.is_set():
            rounds[0] += 1
            a, b = (os.path.join(snapdir, "suite%d%s" % (rounds[0], x)) for x in ("", ".renamed"))
            try:
                os.mkdir(a)
                os.rename(a, b)
                diff = differences(place.sim.path(snapshot=os.path.basename(b)), b)
                if diff:
                    wrong.append("snapshot %d differs: %s" % (rounds[0], diff[:3]))
                t.drop(b)
            except (OSError, t.Failed) as e:
                wrong.append("round %d: %s" % (rounds[0], e))
            if wrong:
                return

    th = threading.Thread(target=work)
    th.start()
    try:
        yield
    finally:
        stop.set()
        th.join()
    place.results.add(name + ": snapshots meanwhile", rounds[0] > 0 and not wrong, "\n".join(wrong))


# ---- the suites --------------------------------------------------------------------

def pjdfstest(place):
    """TAP: each assertion of each script is a test, FILE:NUMBER."""
    place.program("pjdfstest")
    top = os.path.join(place.dir, "tests")
    for script in sorted(glob.glob(top + "/*/*.t")):
        file = os.path.relpath(script, top)
        if not (place.wanted(file) or any(file in k for k in place.args.k)):
            continue
        d = place.fresh(file)
        status, text = place.spawn(file, ["sh", script], d, 600)
        seen, plan = 0, None
        for line in text.splitlines():
            m = re.match(r"1\.\.(\d+)", line)
            if m:
                plan = int(m.group(1))
            m = re.match(r"(not )?ok (\d+)(.*)", line)
            # What the suite itself marks "to do" says nothing.
            if m:
                seen += 1
                if "# TODO" not in m.group(3):
                    place.results.add("%s:%s" % (file, m.group(2)), not m.group(1), m.group(3))
        if status != 0 or seen != plan:
            place.results.add(file, False, "exit %s after %d of %s tests" % (status, seen, plan))
        shutil.rmtree(d, ignore_errors=True)


# kind: (arguments, operations are one in so many). Large operations move a hundred times the bytes. Where fsx closes
# and opens, it has the kernel drop all caches of the machine as well, seconds each: most of it goes without.
FSX = {
    "buffered and mapped": ([], 1),
    "reopened": (["-c", "20"], 1),
    "reopened and read anew": (["-c", "20"], 1000),
    "flushed": (["-f"], 1),
    "not mapped": (["-R", "-W"], 1),
    "direct": (["-Z", "-R", "-W", "-r", "4096", "-w", "4096"], 1),
    "aio": (["-A"], 1),
    "large": (["-l", "16777216", "-o", "2097152"], 20),
}
# A name space of mounts for one command, in which nothing happens to the caches.
KEEP_CACHES = ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
               'mount --bind "$0" /proc/sys/vm/drop_caches; exec "$@"']


def fsx(place):
    """Random operations on one file against a model of it."""
    prog = place.program("fsx")
    os.makedirs(os.path.join(place.work, "fsx"))
    no_caches = os.path.join(place.work, "drop_caches")
    t.write(no_caches, b"")
    for what, (flags, one_in) in FSX.items():
        for seed in place.args.seeds:
            name = "%s, seed %d" % (what, seed)
            if not place.wanted(name):
                continue
            d = place.fresh(name)
            files = [os.path.join(p, os.path.basename(d), "file%d" % i) for i, p in enumerate(place.paths)]
            if place.args.store:
                files = [os.path.join(d, "file0")]
            ops = max(1, place.args.ops // one_in)
            cmd = [] if "anew" in what else [*KEEP_CACHES, no_caches]

            def one(i, path, seed=seed, name=name, cmd=(*cmd, prog, *flags, "-q", "-N", str(ops)), ops=ops):
                who = name if len(files) == 1 else "%s, mount %d" % (name, i + 1)
                status, text = place.spawn(who, [*cmd, "-S", str(seed + 1000 * i), "-P", place.work + "/fsx", path],
                                           place.work, 60 + ops)
                place.results.add(who, status == 0 and "A-OK" in text, "exit %s\n%s" % (status, end(text, 20)))

            with snapshots_meanwhile(place, name):
                at_once([(one, i, path) for i, path in enumerate(files)])
            same_everywhere(place, name, os.path.basename(d))
            shutil.rmtree(d, ignore_errors=True)


def at_once(calls):
    threads = [threading.Thread(target=c[0], args=c[1:]) for c in calls]
    for th in threads:
        th.start()
    for th in threads:
        th.join()


def fsstress(place):
    """Processes that do everything at random; afterwards the server and all mounts agree."""
    prog = place.program("fsstress")
    for seed in place.args.seeds:
        for procs in (1, 8):
            name = "%d processes, seed %d" % (procs, seed)
            if not place.wanted(name):
                continue
            d = os.path.basename(place.fresh(name))

            def one(i, path, seed=seed, procs=procs, name=name, d=d):
                who = name if len(place.paths) == 1 else "%s, mount %d" % (name, i + 1)
                # On two mounts both work in the same directory.
                status, text = place.spawn(who, [prog, "-d", os.path.join(path, d), "-p", str(procs), "-n", "100000000",
                                                 "--duration=%d" % place.args.time, "-s", str(seed + 1000 * i)],
                                           place.work, place.args.time + 300)
                place.results.add(who, status == 0, "exit %s\n%s" % (status, end(text)))

            with snapshots_meanwhile(place, name):
                at_once([(one, i, path) for i, path in enumerate(place.paths)])
            same_everywhere(place, name, d)
            place.simple(name + ": the tree can be removed", ["rm", "-rf", os.path.join(place.paths[0], d)], 600,
                         cwd=place.work)


# Arguments as the suite's own scripts give them.
CTHON_BASIC = ("test1", "test2", "test3", "test4", "test5", "test6", "test7", "test8", "test9")
CTHON_SPECIAL = {"op_unlk": [], "op_ren": [], "op_chmod": [], "dupreq": ["100", "file"], "excltest": [],
                 "negseek": ["file"], "rename": ["100"], "truncate": [], "holey": [], "nfsidem": ["50", "dir"],
                 "rewind": [], "telldir": [], "freesp": [], "bigfile": ["-s", "30", "big"], "bigfile2": ["big"],
                 "nstat": ["1000"], "stat2": ["dir", "20", "1000"], "touchn": ["100"]}


def cthon(place):
    """The Connectathon tests: each program is a test."""
    for n in CTHON_BASIC:
        prog = place.program("basic", n)
        name = "basic/" + n
        if place.wanted(name):
            d = place.fresh(name)
            # test2 and later make their files with test1, which they look for in PATH.
            place.simple(name, [prog], env={"NFSTESTDIR": d + "/dir", "PATH": place.dir + "/basic:" + os.environ["PATH"]},
                         cwd=d)
            shutil.rmtree(d, ignore_errors=True)
    for n, argv in CTHON_SPECIAL.items():
        # These say what is wrong and end with 0.
        place.simple("special/" + n, [place.program("special", n), *argv], env={"TMPDIR": ""},
                     bad=r"(?i)\b(fail|error:|lost reply)")
    name = "general"
    if place.wanted(name):
        d = place.fresh(name)
        for f in glob.glob(place.dir + "/general/*"):
            shutil.copy(f, d)
        # Its statistics know the words of POSIX, not those of GNU or of the command.
        t.write(d + "/time", '#!/bin/sh\nexec 3>&2 2>/dev/null /usr/bin/time -a -o /dev/fd/3 -p "$@"\n', mode=0o755)
        place.simple(name, ["sh", "runtests.wrk", "FROM_RUNTESTS"], 900, cwd=d,
                     env={"CC": "gcc", "CFLAGS": "-w -std=gnu89 -fcommon", "PATH": d + ":" + os.environ["PATH"]})
        shutil.rmtree(d, ignore_errors=True)
    for n in ("-r", ""):
        place.simple("lock/tlock" + n, [place.program("lock", "tlock"), *filter(None, [n]), "."])


def xfstests(place):
    """`check` of xfstests with FSTYP=fuse, for the tests that the file beside this names."""
    place.program("check")
    with open(os.path.join(HERE, "xfstests.list"), encoding="utf-8") as f:
        chosen = [w for line in f for w in line.split("#")[0].split()]
    chosen = [n for n in chosen if place.wanted(n)]
    made = XfsMounts(place)
    try:
        for n in chosen:
            result = made.check(n)
            place.results.add(n, *result)
    finally:
        made.end()


class XfsMounts:
    """`check` mounts and unmounts by itself, by mount -t fuse.PROGRAM: the program is a
    script in PATH that mounts ontapfs and shows one volume of it at the mount point."""

    def __init__(self, place):
        self.place = place
        w = self.top = os.path.join(place.work, "x")
        os.makedirs(w + "/bin")
        with open(w + "/bin/ontapfs-volume", "w", encoding="ascii") as f:
            f.write(XFS_MOUNT % {"work": w, "ontapfs": t.ONTAPFS})
        with open(w + "/bin/df", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\ndf -T -P \"$@\" | sed 's/ fuse\\.ontapfs / fuse /'\n")
        for n in ("ontapfs-volume", "df"):
            os.chmod(w + "/bin/" + n, 0o755)
        lines = ["export FSTYP=fuse", "export FUSE_SUBTYP=.%s/bin/ontapfs-volume" % w, "export RESULT_BASE=%s/results" % w, "export DF_PROG=%s/bin/df" % w]
        for role, volume in (("test", "project1"), ("scratch", "trident_pvc")):
            # Two names for one backend: `check` tells its two file systems apart by source.
            src = "%s/%s.json" % (w, role)
            shutil.copy(place.sim.backend, src)
            with open("%s/%s.volume" % (w, role), "w", encoding="ascii") as f:
                f.write(volume)
            os.mkdir("%s/%s" % (w, role))
            dev, mnt = {"test": ("TEST_DEV", "TEST_DIR"), "scratch": ("SCRATCH_DEV", "SCRATCH_MNT")}[role]
            lines += ["export %s=%s" % (dev, src), "export %s=%s/%s" % (mnt, w, role)]
        with open(w + "/config", "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")

    def check(self, name):
        status, text = self.place.spawn("xfstests " + name, [self.place.program("check"), name], self.place.dir, 900,
                                        {"HOST_OPTIONS": self.top + "/config"})
        if re.search(r"\[not run\]|^Not run: ", text, re.M):
            return False, "not run: " + end(text, 6)
        ok = status == 0 and "Passed all 1 tests" in text
        return ok, "exit %s\n%s" % (status, end(text, 30))

    def end(self):
        t.force_unmount(self.top)


XFS_MOUNT = """#!/bin/sh
# SOURCE DIR [-o OPTIONS]: one volume of the SVM, as a file system of its own.
exec 2>>%(work)s/mount.log
set -ex
role=$(basename "$1" .json) hidden=$(mktemp -d %(work)s/all.XXXX)
%(ontapfs)s mount --log "%(work)s/$role.log" "$1" "$hidden" -o verbs_per_minute=100000
mount --bind "$hidden/$(cat "%(work)s/$role.volume")" "$2"
case ,$4, in *,ro,*) mount -o remount,bind,ro "$2" ;; esac
umount -l "$hidden"
"""


# Of LTP's runtest/fs: what exercises the directory it is started in.
LTP = re.compile(r"gf\d+|rwtest\d+|iogen\d+|fs_inod\d+|linker01|openfile01|inode\d+|stream\d+|ftest\d+|lftest\d+|"
                 r"writetest\d+|fs_di|fs_racer")


def ltp(place):
    """The commands of LTP's runtest/fs, with their times cut to --time."""
    place.program("testcases/kernel/fs/stream/stream01")
    bins = sorted({os.path.dirname(p) for p in glob.glob(place.dir + "/testcases/kernel/*/*/*")
                   if os.access(p, os.X_OK) and not os.path.isdir(p)})
    path = ":".join([place.dir + "/testcases/bin", *bins, place.dir + "/testcases/lib", os.environ["PATH"]])
    with open(place.dir + "/runtest/fs", encoding="utf-8") as f:
        lines = [x.split(None, 1) for x in f if LTP.match(x)]
    for name, cmd in lines:
        cmd = re.sub(r"-L (\d+)", lambda m: "-L %d" % min(int(m.group(1)), place.args.time), cmd.strip())
        cmd = re.sub(r"-i (\d+)s", lambda m: "-i %ds" % min(int(m.group(1)), place.args.time), cmd)
        if place.wanted(name):
            d = place.fresh(name)
            place.simple(name, ["bash", "-c", cmd], 900, cwd=d, bad=r"TFAIL|TBROK|TCONF",
                         env={"TMPDIR": d, "PATH": path, "LTPROOT": place.dir, "LTP_TIMEOUT_MUL": "5"})
            shutil.rmtree(d, ignore_errors=True)


FIO = {
    "sequential, 1 MiB": "--rw=write --bs=1m --size=64m",
    "random, 4 KiB": "--rw=randwrite --bs=4k --size=16m",
    "random, odd sizes": "--rw=randwrite --bsrange=512-96k --bs_unaligned --size=32m",
    "reads and writes mixed": "--rw=randrw --bs=8k --size=16m",
    "aio, deep queue": "--ioengine=libaio --iodepth=32 --rw=randwrite --bs=16k --size=32m",
    "aio, direct": "--ioengine=libaio --iodepth=16 --direct=1 --rw=randwrite --bs=4k --size=16m",
    "mapped": "--ioengine=mmap --rw=randwrite --bs=4k --size=16m",
    "synchronous": "--rw=randwrite --bs=4k --size=4m --sync=1",
    "pwritev, four jobs": "--ioengine=pvsync --numjobs=4 --rw=randwrite --bs=32k --size=16m",
    "many files": "--nrfiles=200 --openfiles=50 --rw=randwrite --bs=4k --size=8m",
    "fsync every block": "--rw=randwrite --bs=4k --size=2m --fsync=1",
    "appending": "--rw=write --bs=3000 --size=3000000 --file_append=1",
}


def fio(place):
    """Written, then verified by checksum: in the same run, and by a new process on the last mount."""
    t.need("fio")
    for name, words in FIO.items():
        if not place.wanted(name):
            continue
        d = place.fresh(name)
        common = ["fio", "--name=j", "--fallocate=none", "--verify=crc32c", "--verify_fatal=1", "--group_reporting",
                  "--randseed=7", *shlex.split(words)]
        place.simple(name, common + ["--directory=" + d, "--do_verify=1"], cwd=place.work, bad=r"verify: bad|verify failed")
        again = os.path.join(place.paths[-1], os.path.basename(d))
        # Of these a later process cannot know what was written (nor on a local file system).
        if not any(w in words for w in ("randrw", "append", "nrfiles")):
            place.simple(name + ", verified again", common + ["--directory=" + again, "--verify_only=1"], cwd=place.work,
                         bad=r"verify: bad|verify failed")
        shutil.rmtree(d, ignore_errors=True)


SUITES = {"pjdfstest": pjdfstest, "fsx": fsx, "fsstress": fsstress, "cthon": cthon, "xfstests": xfstests, "ltp": ltp,
          "fio": fio}
