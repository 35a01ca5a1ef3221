"""Helpers of the Python cases, and of tests/run itself.

A case is a script: it returns (exit 0) when the behaviour holds, raises when
it does not, and calls skip() when the machine cannot show it. The runner sets
the environment read below; see tests/run for what a case may rely on.
"""
import contextlib
import ctypes
import errno
import json
import os
import pickle
import re
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
import base64

TOP = os.environ.get("TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.path.join(TOP, "build")
ONTAPFS = os.path.join(BUILD, "ontapfs")
ONTAPSIM = os.path.join(BUILD, "ontapsim")
NFSPROXY = os.path.join(BUILD, "nfsproxy")
# Else cp looks for holes, and reads, where the server counts fewer blocks than the file has bytes: while it writes
# them to disk, say.
CP = ("cp", "--sparse=never")

WORK = os.environ.get("WORK")          # private directory outside of the mount
SIM = os.environ.get("SIM")            # simulator's directory        (shared fixture)
MNT = os.environ.get("MNT")            # the mount                    (shared fixture)
CASE = os.environ.get("CASE")          # own directory in project1    (shared fixture)
STORE = os.environ.get("STORE")        # project1 behind the server   (shared fixture)
SIM_NFS = os.environ.get("SIM_NFS")    # NFS server of the simulators
SNAP = os.environ.get("SNAP", "own-")  # prefix of the snapshots of this case

# Three people: A and B share group TEAM only where a case says so.
A, B, C, TEAM = 10001, 10002, 10003, 10010

libc = ctypes.CDLL(None, use_errno=True)


class Failed(AssertionError):
    pass


def fail(text):
    raise Failed(text)


def skip(reason):
    print("skip: " + reason, flush=True)
    sys.exit(77)


def need(*programs):
    """Skips the case when a program is not installed."""
    for p in programs:
        if not shutil.which(p):
            skip(p + " is not installed")


def ok(cond, what):
    if not cond:
        fail(what)


def eq(got, want, what):
    if got != want:
        fail("%s: got %r, want %r" % (what, got, want))


def name_of(err):
    return "success" if not err else errno.errorcode.get(err, str(err))


def errno_of(fn, *args, **kw):
    """The errno with which fn fails, 0 when it succeeds."""
    try:
        fn(*args, **kw)
    except OSError as e:
        return e.errno
    return 0


def expect(want, fn, *args, **kw):
    """fn must fail with exactly this errno (or one of a tuple)."""
    wants = want if isinstance(want, tuple) else (want,)
    got = errno_of(fn, *args, **kw)
    if got not in wants:
        fail("%s%r: got %s, want %s" % (getattr(fn, "__name__", "call"), args, name_of(got),
                                        " or ".join(name_of(w) for w in wants)))


def write(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644):
    if isinstance(data, str):
        data = data.encode()
    fd = os.open(path, flags, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
    finally:
        os.close(fd)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def stamped(block, tag=0, size=4096):
    """A block that tells where it belongs and who wrote it."""
    return (b"%016x%016x" % (block, tag)) * (size // 32)


def wait_for(cond, what, timeout=10.0, every=0.02):
    """Polls until cond() is true; its value is returned."""
    end = time.monotonic() + timeout
    while True:
        v = cond()
        if v:
            return v
        if time.monotonic() > end:
            fail("waited %.0f s for: %s" % (timeout, what))
        time.sleep(every)


def pause(seconds):
    """For what only time brings about, and nothing tells of: an age, a silence."""
    time.sleep(seconds)


def run(*cmd, timeout=60, check=True, **kw):
    """Runs a command; returns CompletedProcess with text output."""
    p = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=timeout, text=True, errors="surrogateescape", **kw)
    if check and p.returncode != 0:
        fail("%s: exit %d\n%s%s" % (" ".join(map(str, cmd)), p.returncode, p.stdout, p.stderr))
    return p


def run_as(uid, gid, fn, *args, groups=(), timeout=30):
    """Runs fn in a process of that user; returns its value or raises its error."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        try:
            os.setgroups(list(groups))
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            out = ("value", fn(*args))
        except OSError as e:
            out = ("errno", e.errno, str(e))
        except BaseException:  # noqa: B902  the parent reports it
            out = ("error", traceback.format_exc())
        with contextlib.suppress(OSError):
            data = pickle.dumps(out)
            while data:
                data = data[os.write(w, data):]
        os._exit(0)
    os.close(w)
    signal.alarm(timeout)
    data = b""
    while True:
        chunk = os.read(r, 65536)
        if not chunk:
            break
        data += chunk
    os.close(r)
    os.waitpid(pid, 0)
    signal.alarm(0)
    if not data:
        fail("the child ended without an answer")
    out = pickle.loads(data)
    if out[0] == "value":
        return out[1]
    if out[0] == "errno":
        raise OSError(out[1], out[2])
    return fail("in the child:\n" + out[1])


# ---- system calls that os has not -------------------------------------------

def _check(r):
    if r < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return r


RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4


def renameat2(old, new, flags):
    return _check(libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), ctypes.c_uint(flags)))


def fallocate(fd, mode, off, length):
    return _check(libc.fallocate(fd, mode, ctypes.c_int64(off), ctypes.c_int64(length)))


# ---- what the daemon says of itself -------------------------------------------

def stats(mnt=None):
    """{'name{labels}': value} of .ontap/stats."""
    out = {}
    for line in read(os.path.join(mnt or MNT, ".ontap/stats")).decode().splitlines():
        if line and not line.startswith("#"):
            key, value = line.rsplit(None, 1)
            out[key] = float(value)
    return out


def counter(st, name, **labels):
    """Sum of the samples of one metric whose labels match."""
    total = 0
    for key, value in st.items():
        m = re.match(r"([a-zA-Z0-9_:]+)(?:\{(.*)\})?$", key)
        if m and m.group(1) == name:
            have = dict(re.findall(r'(\w+)="([^"]*)"', m.group(2) or ""))
            if all(have.get(k) == v for k, v in labels.items()):
                total += value
    return total


def nfs_calls(mnt=None, **labels):
    """NFS calls sent so far; fails when the daemon has no such counter."""
    st = stats(mnt)
    ok(any(k.startswith("ontapfs_nfs_calls_total") for k in st), "no ontapfs_nfs_calls_total in .ontap/stats")
    return counter(st, "ontapfs_nfs_calls_total", **labels)


def last_error(path):
    return os.getxattr(path, "ontap.last_error").decode(errors="replace")


# ---- simulator and gateway ----------------------------------------------------

def backend(sim=None):
    with open(os.path.join(sim or SIM, "backend.json"), encoding="utf-8") as f:
        return json.load(f)


def rest(method, path, body=None, sim=None, check=True):
    """One REST call with the SVM's account; returns (status, object)."""
    b = backend(sim)
    ctx = ssl.create_default_context()
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    auth = base64.b64encode(("%s:%s" % (b["username"], b["password"])).encode()).decode()
    port = b.get("ontapfs", {}).get("restPort", 443)
    req = urllib.request.Request("https://%s:%d/api%s" % (b["managementLIF"], port, path), method=method,
                                 data=None if body is None else json.dumps(body).encode(),
                                 headers={"Authorization": "Basic " + auth, "Accept": "application/json",
                                          "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(req, timeout=30, context=ctx) as r:
            status, text = r.status, r.read()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read()
    obj = json.loads(text) if text.strip() else {}
    if check and status >= 400:
        fail("%s %s: %d %s" % (method, path, status, obj))
    return status, obj


def rest_job(method, path, body=None, sim=None):
    """A REST change, waited for; fails when its job fails."""
    _, obj = rest(method, path, body, sim)
    job = obj.get("job", {}).get("uuid")
    if job:
        def done():
            state = rest("GET", "/cluster/jobs/%s?fields=**" % job, sim=sim)[1]
            return state if state.get("state") in ("success", "failure") else None
        state = wait_for(done, "job of %s %s" % (method, path), 30)
        eq(state["state"], "success", "job of %s %s (%s)" % (method, path, state.get("message")))
    return obj


def volume_uuid(name, sim=None):
    recs = rest("GET", "/storage/volumes?name=%s&fields=uuid" % name, sim=sim)[1]["records"]
    ok(recs, "no volume %s in REST" % name)
    return recs[0]["uuid"]


def rest_snapshots(volume="project1", sim=None):
    """{name: uuid} as ONTAP has them."""
    u = volume_uuid(volume, sim)
    recs = rest("GET", "/storage/volumes/%s/snapshots?fields=name,uuid" % u, sim=sim)[1]["records"]
    return {r["name"]: r["uuid"] for r in recs}


def rest_snapshot_create(name, volume="project1", sim=None):
    rest_job("POST", "/storage/volumes/%s/snapshots" % volume_uuid(volume, sim), {"name": name}, sim)


def rest_snapshot_delete(name, volume="project1", sim=None):
    rest_job("DELETE", "/storage/volumes/%s/snapshots/%s" % (volume_uuid(volume, sim),
                                                             rest_snapshots(volume, sim)[name]), None, sim)


def rest_volume(name, sim=None):
    """A volume's record as ONTAP has it, or None."""
    recs = rest("GET", "/storage/volumes?name=%s&fields=*,nas.path,nas.export_policy.name,clone" % name,
                sim=sim)[1]["records"]
    return recs[0] if recs else None


def rest_volumes(sim=None):
    """Names of the volumes that ONTAP has, the SVM's root volume left out."""
    recs = rest("GET", "/storage/volumes?is_svm_root=false&fields=name", sim=sim)[1]["records"]
    return sorted(r["name"] for r in recs)


def rest_clone_create(name, snapshot, volume="project1", sim=None):
    rest_job("POST", "/storage/volumes", {
        "name": name, "svm": {"name": "svm1"}, "nas": {"path": "/" + name},
        "clone": {"is_flexclone": True, "parent_volume": {"name": volume}, "parent_snapshot": {"name": snapshot}}}, sim)


def rest_volume_delete(name, sim=None):
    """For good: it does not wait in the recovery queue, where it would keep its base busy."""
    rest_job("DELETE", "/storage/volumes/%s?force=true" % volume_uuid(name, sim), None, sim)


def rest_mirror(name="copy", source="project1", policy="MirrorAllSnapshots", sim=None):
    """Makes volume `name` the SnapMirror destination of `source`, mounted at /name, with its first
    transfer done; returns the relationship's path in REST."""
    rest_job("POST", "/storage/volumes", {"name": name, "svm": {"name": "svm1"}, "type": "dp", "size": 1 << 30,
                                          "aggregates": [{"name": "aggr1"}]}, sim)
    rest_job("POST", "/snapmirror/relationships", {
        "source": {"path": "svm1:" + source}, "destination": {"path": "svm1:" + name}, "policy": {"name": policy}}, sim)
    found = rest("GET", "/snapmirror/relationships?destination.path=svm1:" + name, sim=sim)[1]["records"]
    path = "/snapmirror/relationships/" + found[0]["uuid"]
    rest_job("PATCH", path, {"state": "snapmirrored"}, sim)
    rest_job("PATCH", "/storage/volumes/" + volume_uuid(name, sim), {"nas": {"path": "/" + name}}, sim)
    return path


def rest_transfer(mirror, sim=None):
    """Another transfer of what rest_mirror made, waited for."""
    rest("POST", mirror + "/transfers", {}, sim)

    def done():
        state = rest("GET", mirror + "?fields=transfer", sim=sim)[1]["transfer"]["state"]
        return state if state not in ("queued", "transferring") else None
    eq(wait_for(done, "the transfer", 30), "success", "the transfer")


def behind(path):
    """Names in a directory behind the server, sorted; a store of Ganesha's has a real .snapshot."""
    return sorted(n for n in os.listdir(path) if n != ".snapshot")


def rest_export_rules(change, sim=None):
    """Changes every rule of every export policy, say {"superuser": ["none"]}. The NFS server
    learns of it in a moment, not at once."""
    for policy in rest("GET", "/protocols/nfs/export-policies?fields=id", sim=sim)[1]["records"]:
        rules = "/protocols/nfs/export-policies/%s/rules" % policy["id"]
        for r in rest("GET", rules + "?fields=index", sim=sim)[1]["records"]:
            rest("PATCH", "%s/%s" % (rules, r["index"]), change, sim=sim)


def store(volume="project1", snapshot=None, sim=None):
    """Directory of a volume behind the server: what happens there, another client did."""
    which = volume if snapshot is None else "%s@%s" % (volume, snapshot)
    return run(ONTAPSIM, "path", sim or SIM, which).stdout.rstrip("\n")


def mounts_below(path):
    """[(mount point, 'major:minor', fstype)] below a directory, innermost first."""
    out = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            left, right = line.rstrip("\n").split(" - ", 1)
            fields = left.split(" ")
            point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), fields[4])
            if point == path or point.startswith(path.rstrip("/") + "/"):
                out.append((point, fields[2], right.split(" ")[0]))
    return out[::-1]


def abort_fuse(dev):
    """Frees everything that hangs on a FUSE mount, by its 'major:minor'."""
    with contextlib.suppress(OSError):
        with open("/sys/fs/fuse/connections/%s/abort" % dev.split(":")[1], "w", encoding="ascii") as f:
            f.write("1")


def force_unmount(path):
    """Ends every mount below path, hung ones too. True when there was one."""
    found = mounts_below(path)
    for point, dev, fstype in found:
        if fstype.startswith("fuse"):
            abort_fuse(dev)
        # MNT_FORCE, which aborts a FUSE connection also where fusectl is not mounted, and MNT_DETACH.
        libc.umount2(os.fsencode(point), 1 | 2)
    return bool(found)


class Sim:
    """A simulator of its own."""

    def __init__(self, path, *args):
        self.dir = path
        self.args = args
        self.backend = os.path.join(path, "backend.json")

    def up(self):
        os.makedirs(self.dir, exist_ok=True)
        with open(self.dir + ".log", "ab") as log:
            # The server is chosen once: a later up() finds it in the directory.
            server = ["--nfs=" + SIM_NFS] if SIM_NFS else []
            p = subprocess.run([ONTAPSIM, "up", self.dir, *server, *map(str, self.args)], stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log, timeout=60, check=False)
        if p.returncode != 0:
            fail("ontapsim up: exit %d\n%s" % (p.returncode, tail(self.dir + ".log")))
        return self

    def _do(self, verb):
        with open(self.dir + ".log", "ab") as log:
            return subprocess.run([ONTAPSIM, verb, self.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  timeout=60, check=False).returncode

    def down(self):
        eq(self._do("down"), 0, "ontapsim down")

    def destroy(self):
        if os.path.isdir(self.dir):
            self._do("destroy")

    def path(self, volume="project1", snapshot=None):
        return store(volume, snapshot, self.dir)

    def pid(self, face):
        """Process of one daemon; face is "rest" or "nfs"."""
        with open(os.path.join(self.dir, "run", face + ".pid"), encoding="ascii") as f:
            return int(f.read())

    def kill(self, face):
        """kill -9 of a daemon; returns when it is gone: until then `up` believes that it runs."""
        pid = self.pid(face)
        fd = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            ok(select.select([fd], [], [], 30)[0], "the killed %s daemon does not end" % face)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def silent(self, face):
        """Meanwhile that daemon, and the server that it keeps, takes connections and never answers."""
        pids = [self.pid(face)]
        with open("/proc/%d/task/%d/children" % (pids[0], pids[0]), encoding="ascii") as f:
            pids += map(int, f.read().split())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


class Gateway:
    """A mount of its own. Its log is beside the mount point."""

    def __init__(self, source, mnt, *opts):
        self.source, self.mnt, self.opts = source, mnt, opts
        self.log = mnt + ".log"
        self.said = ""  # what the mount command printed

    def up(self):
        r = self.try_up()
        if r != 0:
            fail("ontapfs mount: exit %d\n%s%s" % (r, self.said, tail(self.log)))
        return self

    def try_up(self):
        """Exit status of the mount command; its words are in .said."""
        with contextlib.suppress(FileExistsError):  # of a dead mount, too, which cannot be looked at
            os.makedirs(self.mnt)
        cmd = [ONTAPFS, "mount", "--log", self.log, self.source, self.mnt]
        if self.opts:
            cmd += ["-o", ",".join(self.opts)]
        # A file, not a pipe: who waits for a pipe's end waits for the daemon's.
        with open(self.mnt + ".said", "w+b") as out:
            p = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60, check=False)
            out.seek(0)
            self.said = out.read().decode(errors="replace")
        return p.returncode

    def mounted(self):
        return any(m[0] == self.mnt for m in mounts_below(self.mnt))

    def process(self, name="ontapfs"):
        """Pid of the daemon, or of `ontapfs-hold` or `ontapfs-notify`; None when there is none."""
        found = {}
        for pid, _ in gateway_processes(self.mnt):
            with contextlib.suppress(OSError):
                with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
                    comm, rest_ = f.read().split("(", 1)[1].rsplit(")", 1)
                if comm == name:
                    found[pid] = int(rest_.split()[1])
        # A child that has not taken its own name yet is not meant.
        mine = [pid for pid, parent in found.items() if parent not in found]
        ok(len(mine) < 2, "several processes %s: %r" % (name, mine))
        return mine[0] if mine else None

    def replace_daemon(self, sig=signal.SIGKILL):
        """Sends the daemon a signal that ends it; returns when another one is there."""
        old = self.process()
        ok(old, "a daemon is there")
        if sig == signal.SIGKILL:
            kill_daemon(old)
        else:
            os.kill(old, sig)
        wait_for(lambda: self.process() not in (None, old), "a new daemon", 20)

    def down(self):
        """Unmounts the proper way; fails when that does not work."""
        p = run(ONTAPFS, "umount", self.mnt, check=False)
        if p.returncode != 0 or self.mounted():
            force_unmount(self.mnt)
            fail("ontapfs umount: exit %d\n%s%s%s" % (p.returncode, p.stdout, p.stderr, tail(self.log)))

    def destroy(self):
        if self.mounted():
            with contextlib.suppress(subprocess.TimeoutExpired):
                run(ONTAPFS, "umount", self.mnt, check=False, timeout=10)
        force_unmount(self.mnt)

    def __enter__(self):
        return self.up()

    def __exit__(self, kind, *_):
        if kind is None:
            self.down()
        else:
            self.destroy()


@contextlib.contextmanager
def own_sim(*args, name="sim"):
    """A simulator for this case only."""
    s = Sim(os.path.join(WORK, name), *args)
    try:
        yield s.up()
    finally:
        s.destroy()


@contextlib.contextmanager
def own_mount(*opts, sim_args=(), name="mnt"):
    """A simulator and a mount for this case only: yields (sim, gateway)."""
    with own_sim(*sim_args) as s:
        with Gateway(s.backend, os.path.join(WORK, name), *opts) as g:
            yield s, g


class Proxy:
    """nfsproxy in front of a simulator's data LIFs: does wrong what it is told to."""

    def __init__(self, sim, name="proxy"):
        self.sock = os.path.join(WORK, name + ".sock")
        self.backend = os.path.join(WORK, name + ".json")
        b = backend(sim.dir)
        lifs = rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address", sim=sim.dir)[1]["records"]
        port = b["ontapfs"]["nfsPort"]
        with open(os.path.join(WORK, name + ".log"), "ab") as log:
            self.child = subprocess.Popen(  # pylint: disable=consider-using-with
                [NFSPROXY, "--control", self.sock, *("%s:%d" % (r["ip"]["address"], port) for r in lifs)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        line = self.child.stdout.readline()
        ok(line, "nfsproxy says its port: " + tail(os.path.join(WORK, name + ".log")))
        b["ontapfs"]["nfsPort"] = int(line)
        with open(os.open(self.backend, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            json.dump(b, f)

    def tell(self, words):
        """One command of its control socket (`nfsproxy ctl SOCKET help`); its answer."""
        return run(NFSPROXY, "ctl", self.sock, *words.split()).stdout

    def seen(self, what):
        """How often a procedure was called; or "hits": how often a rule applied."""
        for line in self.tell("stats").splitlines():
            if line.split()[0] == what:
                return int(line.split()[1])
        return 0

    def wait(self, what, count, timeout=20):
        self.tell("wait %s %d %d" % (what, count, timeout * 1000))

    def close(self):
        self.child.terminate()
        self.child.wait(10)
        self.child.stdout.close()


@contextlib.contextmanager
def proxied_mount(*opts, sim_args=()):
    """As own_mount, with a proxy in between: yields (sim, gateway, proxy)."""
    with own_sim(*sim_args) as s:
        p = Proxy(s)
        try:
            with Gateway(p.backend, os.path.join(WORK, "mnt"), *opts) as g:
                yield s, g, p
        finally:
            p.close()


@contextlib.contextmanager
def own_fixture(*opts):
    """A simulator and mount for this case only that stand in for the shared ones
    (SIM MNT CASE STORE): for cases that make volumes, which others would see."""
    global SIM, MNT, CASE, STORE
    with own_mount(*opts) as (s, g):
        SIM, MNT, STORE, CASE = s.dir, g.mnt, s.path(), g.mnt + "/project1/case"
        os.mkdir(CASE)
        os.chmod(CASE, 0o777)
        yield s, g


def second_mount(*opts, name="mnt2", sim=None):
    """Another gateway on the same SVM: another host, as far as caches go."""
    return Gateway(os.path.join(sim or SIM, "backend.json"), os.path.join(WORK, name), *opts)


def snap(name="", volume="project1", mnt=None):
    """Path of a snapshot of this case."""
    return os.path.join(mnt or MNT, volume, ".snapshots", SNAP + name)


def in_snap(name="", mnt=None):
    """Path of this case's directory inside its snapshot."""
    return os.path.join(snap(name, mnt=mnt), os.path.basename(CASE))


def take(name="", volume="project1", mnt=None):
    """Takes a snapshot; returns its path."""
    p = snap(name, volume, mnt)
    os.mkdir(p)
    return p


def drop(path):
    """Deletes a snapshot from a fresh process, so that rule 'a tree walker
    looked before it removed' cannot meet it."""
    run("rmdir", path)


def clone_name(name=""):
    """Name for a clone: as snapshots of this case, but letters, digits and '_' only."""
    return re.sub(r"[^A-Za-z0-9]", "_", SNAP) + name


def audit_records(path):
    """The records of an audit log."""
    return [json.loads(line) for line in read(path).decode().splitlines()]


def tail(path, lines=25):
    try:
        with open(path, "rb") as f:
            text = f.read()[-20000:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:]) + "\n"


def pids_of(tag):
    """Processes whose environment has NAME=VALUE: [(pid, command line)]."""
    out = []
    for d in os.listdir("/proc"):
        if not d.isdigit() or int(d) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % d, "rb") as f:
                env = f.read()
            if b"\0" + tag.encode() + b"\0" in b"\0" + env + b"\0":
                with open("/proc/%s/cmdline" % d, "rb") as f:
                    cmd = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
                if cmd:
                    out.append((int(d), cmd))
        except OSError:
            continue
    return out


def kill_daemon(pid):
    """kill -9, but not in the middle of write(2) where that shows: a kernel that reads a program's
    memory the slow way (get_user_pages; user-mode-linux has no other) gives up when a SIGKILL is
    pending, and ends the request whose reply was being written with EIO."""
    with open("/proc/cpuinfo", encoding="ascii") as f:
        if "User Mode Linux" in f.read():
            os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: _thread_states(pid) <= {"T"}, "process %d to stop" % pid)
    os.kill(pid, signal.SIGKILL)


def _thread_states(pid):
    states = set()
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/stat" % (pid, tid), encoding="ascii", errors="replace") as f:
            states.add(f.read().rsplit(")", 1)[1].split()[0])
    return states


def gateway_processes(mnt):
    """Holder and daemon of a mount of this case."""
    return [(p, c) for p, c in pids_of("WORK=" + WORK)
            if re.search(r"/ontapfs(-hold)? ", c) and re.search(re.escape(mnt) + r"( |$)", c)]
