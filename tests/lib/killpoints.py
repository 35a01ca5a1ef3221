"""kill -9 at named points (fs/base/killpoint.h) of each changing operation and verb: what is left must be as if it had been
done once, whatever another host does as soon as the caller has its answer."""
import contextlib
import ctypes
import errno
import os
import pickle
import select
import shutil
import signal
import stat
import time
import traceback
import ontapfs_test as t

# Opcodes of FUSE, linux/fuse.h.
SETATTR, SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR, LINK, OPEN, WRITE, RELEASE, SETXATTR, CREATE, RENAME, RENAME2 = (
    4, 6, 8, 9, 10, 11, 13, 14, 16, 18, 21, 35, 12, 45)
ANSWERED = ("replied", "freed")
LIMIT = 30  # seconds


class Wrong(Exception):
    """twice, lost, wrong_bytes or client_errors; and what."""

    def __init__(self, kind, text):
        super().__init__("%s: %s" % (kind, text))
        self.kind = kind


def expect(cond, kind, text):
    if not cond:
        raise Wrong(kind, text)


class Op:
    """One operation. `x` is the name it is about on the mount, `s` the same at the server.

    prepare: at the server; open: in the caller's process, returns what act needs; act: the operation; done: checks the
    server; other: what another host does once the caller has its answer, or, where `overtaken`, once the server has
    done it; kept: that this is untouched; finish: in the caller's process, afterwards."""

    name, opcode, calls, overtaken = "", 0, (), False
    answers = {}  # point: errnos that are right there, None for success

    def prepare(self, s):
        pass

    def open(self, x):
        return None

    def act(self, x, h):
        raise NotImplementedError

    def done(self, s):
        pass

    def other(self, s):
        pass

    def kept(self, s):
        self.done(s)

    def finish(self, x, h):
        pass

    def clean(self, s):
        d = os.path.dirname(s)
        for n in os.listdir(d):
            p = os.path.join(d, n)
            if os.path.isdir(p) and not os.path.islink(p):
                shutil.rmtree(p)
            else:
                os.unlink(p)

    def points(self):
        return ([("read", str(self.opcode))] + [(p, c) for c in self.calls for p in ("intent", "sent", "received")] +
                [(p, str(self.opcode)) for p in ("answering",) + ANSWERED])


class Makes(Op):
    """Something new, which the other host takes away again: it must not come back."""

    def done(self, s):
        expect(os.path.lexists(s), "lost", self.name + " is not there")

    def other(self, s):
        os.unlink(s)

    def kept(self, s):
        expect(not os.path.lexists(s), "twice", self.name + " was made again")


class Mkdir(Makes):
    name, opcode, calls = "mkdir", MKDIR, ("MKDIR",)

    def act(self, x, h):
        os.mkdir(x)

    def other(self, s):
        os.rmdir(s)


class Create(Makes):
    name, opcode, calls = "create", CREATE, ("CREATE",)

    def act(self, x, h):
        return os.open(x, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)

    def done(self, s):
        super().done(s)
        expect(stat.S_IMODE(os.stat(s).st_mode) == 0o640, "wrong_bytes", "mode")


class Mknod(Makes):
    name, opcode, calls = "mknod", MKNOD, ("CREATE",)

    def act(self, x, h):
        os.mknod(x, stat.S_IFREG | 0o600)


class Mkfifo(Makes):
    name, opcode, calls = "mkfifo", MKNOD, ("MKNOD",)

    def act(self, x, h):
        os.mkfifo(x)


class Symlink(Makes):
    name, opcode, calls = "symlink", SYMLINK, ("SYMLINK",)

    def act(self, x, h):
        os.symlink("to/where", x)

    def done(self, s):
        expect(os.path.islink(s) and os.readlink(s) == "to/where", "lost", "the link")


class Link(Makes):
    name, opcode, calls = "link", LINK, ("LINK",)

    def prepare(self, s):
        t.write(s + ".old", "x")

    def act(self, x, h):
        os.link(x + ".old", x)

    def done(self, s):
        expect(os.path.lexists(s) and os.stat(s).st_nlink == 2, "lost", "the link")


class Unlink(Op):
    """What another host makes under the name afterwards stays."""
    name, opcode, calls, overtaken = "unlink", UNLINK, ("REMOVE",), True

    def prepare(self, s):
        t.write(s, "old")

    def act(self, x, h):
        os.unlink(x)

    def done(self, s):
        expect(not os.path.lexists(s), "lost", "it is still there")

    def other(self, s):
        t.write(s, "new")

    def kept(self, s):
        expect(os.path.exists(s) and t.read(s) == b"new", "twice", "another host's file was removed")


class Rmdir(Op):
    name, opcode, calls, overtaken = "rmdir", RMDIR, ("RMDIR",), True

    def prepare(self, s):
        os.mkdir(s)

    def act(self, x, h):
        os.rmdir(x)

    def done(self, s):
        expect(not os.path.lexists(s), "lost", "it is still there")

    def other(self, s):
        os.mkdir(s)

    def kept(self, s):
        expect(os.path.isdir(s), "twice", "another host's directory was removed")


class UnlinkOpen(Unlink):
    """It stays readable, and nothing is left after the close."""
    name, calls, overtaken = "unlink-open", ("RENAME",), True

    def open(self, x):
        return os.open(x, os.O_RDONLY)

    def finish(self, x, h):
        expect(os.pread(h, 10, 0) == b"old", "wrong_bytes", "content of the open file")
        os.close(h)
        d = os.path.dirname(x)
        end = time.monotonic() + 10
        while [n for n in os.listdir(d) if n.startswith(".nfs")] and time.monotonic() < end:
            t.pause(0.01)
        expect(not [n for n in os.listdir(d) if n.startswith(".nfs")], "lost", "the removal of .nfs: %r" % os.listdir(d))


class CloseUnlinked(Op):
    """close(2) waits for nobody: the removal is looked for afterwards."""
    name, opcode, calls = "close-unlinked", RELEASE, ("REMOVE",)

    def prepare(self, s):
        t.write(s, "old")

    def open(self, x):
        h = os.open(x, os.O_RDONLY)
        os.unlink(x)
        return h

    def act(self, x, h):
        os.close(h)

    def done(self, s):
        d = os.path.dirname(s)
        end = time.monotonic() + 10
        while os.listdir(d) and time.monotonic() < end:
            t.pause(0.01)
        expect(not os.listdir(d), "lost", "the removal of .nfs: %r" % os.listdir(d))


class Rename(Op):
    """What another host makes under the old name afterwards is not moved."""
    name, opcode, calls, overtaken = "rename", RENAME, ("RENAME",), True
    flags = 0

    def prepare(self, s):
        t.write(s, "old")

    def act(self, x, h):
        os.rename(x, x + ".to")

    def done(self, s):
        expect(not os.path.lexists(s), "lost", "it has its old name")
        expect(os.path.exists(s + ".to") and t.read(s + ".to") == b"old", "lost", "it has no new name")

    def other(self, s):
        t.write(s, "new")

    def kept(self, s):
        expect(os.path.exists(s) and t.read(s) == b"new", "twice", "another host's file was moved")
        expect(t.read(s + ".to") == b"old", "twice", "another host's file was moved over ours")


class RenameOver(Rename):
    name = "rename-over"

    def prepare(self, s):
        super().prepare(s)
        t.write(s + ".to", "replaced")


class RenameOverOpen(RenameOver):
    name, calls = "rename-over-open", ("LINK", "RENAME")

    def open(self, x):
        return os.open(x + ".to", os.O_RDONLY)

    def finish(self, x, h):
        expect(os.pread(h, 10, 0) == b"replaced", "wrong_bytes", "content of the replaced open file")
        os.close(h)
        d = os.path.dirname(x)
        end = time.monotonic() + 10
        while [n for n in os.listdir(d) if n.startswith(".nfs")] and time.monotonic() < end:
            t.pause(0.01)
        expect(not [n for n in os.listdir(d) if n.startswith(".nfs")], "lost", "the removal of .nfs")


class RenameNoreplace(Rename):
    name, opcode, calls, overtaken = "rename-noreplace", RENAME2, ("LINK", "REMOVE"), False

    def act(self, x, h):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(-100, os.fsencode(x), -100, os.fsencode(x + ".to"), 1) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")


class Chmod(Op):
    name, opcode, calls = "chmod", SETATTR, ("SETATTR",)

    def prepare(self, s):
        t.write(s, "x")

    def act(self, x, h):
        os.chmod(x, 0o611)

    def done(self, s):
        expect(stat.S_IMODE(os.stat(s).st_mode) == 0o611, "lost", "mode %o" % os.stat(s).st_mode)

    def other(self, s):
        os.chmod(s, 0o700)

    def kept(self, s):
        expect(stat.S_IMODE(os.stat(s).st_mode) == 0o700, "twice", "mode %o" % os.stat(s).st_mode)


class Truncate(Op):
    name, opcode, calls = "truncate", SETATTR, ("SETATTR",)

    def prepare(self, s):
        t.write(s, "0123456789")

    def act(self, x, h):
        os.truncate(x, 4)

    def done(self, s):
        expect(t.read(s) == b"0123", "lost", "content %r" % t.read(s))

    def other(self, s):
        t.write(s, "longer than it was")

    def kept(self, s):
        expect(t.read(s) == b"longer than it was", "twice", "cut again: %r" % t.read(s))


class OpenTruncates(Truncate):
    name, opcode = "open-trunc", OPEN

    def act(self, x, h):
        return os.open(x, os.O_WRONLY | os.O_TRUNC)

    def done(self, s):
        expect(t.read(s) == b"", "lost", "content %r" % t.read(s))


class Write(Op):
    name, opcode, calls = "write", WRITE, ("WRITE",)

    def prepare(self, s):
        t.write(s, "0123456789")

    def open(self, x):
        return os.open(x, os.O_RDWR)

    def act(self, x, h):
        t.eq(os.pwrite(h, b"ab", 3), 2, "written")

    def done(self, s):
        expect(t.read(s) == b"012ab56789", "lost", "content %r" % t.read(s))

    def other(self, s):
        with open(s, "r+b") as f:
            f.write(b"other host")

    def kept(self, s):
        expect(t.read(s) == b"other host", "twice", "written again: %r" % t.read(s))


class LargeWrite(Write):
    """In many calls, in a large slot."""
    name = "write-1m"
    data = bytes(range(256)) * 4096

    def prepare(self, s):
        t.write(s, b"\0" * len(self.data))

    def act(self, x, h):
        t.eq(os.pwrite(h, self.data, 0), len(self.data), "written")

    def done(self, s):
        expect(t.read(s) == self.data, "wrong_bytes", "content")

    def other(self, s):
        t.write(s, b"\1" * len(self.data))

    def kept(self, s):
        expect(t.read(s) == b"\1" * len(self.data), "twice", "written again")


class Append(Write):
    name = "append"

    def open(self, x):
        return os.open(x, os.O_WRONLY | os.O_APPEND)

    def act(self, x, h):
        t.eq(os.write(h, b"ab"), 2, "written")

    def done(self, s):
        expect(t.read(s) == b"0123456789ab", "twice" if t.read(s).count(b"ab") > 1 else "lost", repr(t.read(s)))

    def other(self, s):
        with open(s, "ab") as f:
            f.write(b"other")

    def kept(self, s):
        expect(t.read(s) == b"0123456789abother", "twice", repr(t.read(s)))


FILES = (Mkdir, Create, Mknod, Mkfifo, Symlink, Link, Unlink, UnlinkOpen, CloseUnlinked, Rmdir, Rename, RenameOver,
         RenameOverOpen, RenameNoreplace, Chmod, Truncate, OpenTruncates, Write, LargeWrite, Append)


# ---- verbs: names of snapshots and clones are s's last part ----------------------------------------------

class Verb(Op):
    """Done by ONTAP; `sim` and `vol` (the volume on the mount) are set by the matrix."""
    sim = vol = None

    def snaps(self):
        recs = t.rest("GET", "/storage/volumes/%s/snapshots?fields=name,uuid,comment" % t.volume_uuid("project1", self.sim.dir),
                      sim=self.sim.dir)[1]["records"]
        return {r["name"]: r for r in recs}

    def path(self, x):
        return "%s/.snapshots/%s" % (self.vol, os.path.basename(x))

    def clean(self, s):
        pass


class SnapCreate(Verb):
    name, opcode, calls = "snapshot-create", MKDIR, ("POST",)

    def prepare(self, s):
        self.before = set(self.snaps())

    def act(self, x, h):
        os.mkdir(self.path(x))

    def done(self, s):
        new = set(self.snaps()) - self.before
        expect(new, "lost", "no snapshot")
        expect(new == {os.path.basename(s)}, "twice", "snapshots %r" % new)

    def other(self, s):
        n = os.path.basename(s)
        t.rest_job("DELETE", "/storage/volumes/%s/snapshots/%s" % (t.volume_uuid("project1", self.sim.dir),
                                                                   self.snaps()[n]["uuid"]), None, self.sim.dir)

    def kept(self, s):
        expect(os.path.basename(s) not in self.snaps(), "twice", "the snapshot was taken again")

    def clean(self, s):
        with contextlib.suppress(KeyError):
            SnapCreate.other(self, s)


class SnapDelete(SnapCreate):
    """Another host's snapshot of the same name stays."""
    name, opcode, calls = "snapshot-delete", RMDIR, ("DELETE",)

    # A successor takes who it does not know for a tree walker (rule 6.2), and has forgotten what was armed: then
    # it keeps what it should remove.
    answers = {p: (None, errno.ENOTEMPTY, errno.EPERM) for p in ("read", "intent")}

    def prepare(self, s):
        os.mkdir(self.path(s))
        os.setxattr(self.path(s), "ontap.arm", os.path.basename(s).encode())

    def act(self, x, h):
        os.rmdir(self.path(x))

    def done(self, s):
        expect(os.path.basename(s) not in self.snaps(), "lost", "it is still there")

    def other(self, s):
        t.rest_job("POST", "/storage/volumes/%s/snapshots" % t.volume_uuid("project1", self.sim.dir),
                   {"name": os.path.basename(s)}, self.sim.dir)

    def kept(self, s):
        expect(os.path.basename(s) in self.snaps(), "twice", "another host's snapshot was deleted")


class SnapRename(SnapCreate):
    name, opcode, calls = "snapshot-rename", RENAME, ("PATCH",)

    def prepare(self, s):
        os.mkdir(self.path(s))
        self.uuid = self.snaps()[os.path.basename(s)]["uuid"]

    def act(self, x, h):
        os.rename(self.path(x), self.path(x) + "to")

    def done(self, s):
        got = {n: r["uuid"] for n, r in self.snaps().items()}
        n = os.path.basename(s)
        expect(got.get(n + "to") == self.uuid and n not in got, "lost", "snapshots %r" % got)

    def other(self, s):
        pass

    def kept(self, s):
        self.done(s)

    def clean(self, s):
        with contextlib.suppress(KeyError):
            SnapCreate.other(self, s + "to")


class CloneCreate(Verb):
    name, opcode, calls = "clone-create", SYMLINK, ("POST",)
    answers = {"answering": (None, errno.EINPROGRESS)}

    def clone(self, s):
        return os.path.basename(s).replace("-", "_")

    def prepare(self, s):
        self.before = set(t.rest_volumes(self.sim.dir))
        if "base" not in self.snaps():
            os.mkdir(self.vol + "/.snapshots/base")

    def act(self, x, h):
        os.symlink("../.snapshots/base", "%s/.clones/%s" % (self.vol, self.clone(x)))

    def done(self, s):
        new = set(t.rest_volumes(self.sim.dir)) - self.before
        expect(new, "lost", "no clone")
        expect(new == {self.clone(s)}, "twice", "clones %r" % new)

    def clean(self, s):
        if t.rest_volume(self.clone(s), self.sim.dir):
            t.rest_volume_delete(self.clone(s), self.sim.dir)


class CloneDelete(CloneCreate):
    name, opcode, calls = "clone-delete", RMDIR, ("PATCH", "DELETE")
    answers = SnapDelete.answers

    def prepare(self, s):
        super().prepare(s)
        CloneCreate.act(self, s, None)
        os.setxattr("%s/.clones/%s" % (self.vol, self.clone(s)), "ontap.arm", self.clone(s).encode())

    def act(self, x, h):
        os.rmdir("%s/.clones/%s" % (self.vol, self.clone(x)))

    def done(self, s):
        expect(not t.rest_volume(self.clone(s), self.sim.dir), "lost", "the clone is still there")


VERBS = (SnapCreate, SnapDelete, SnapRename, CloneCreate, CloneDelete)


# ---- one kill ------------------------------------------------------------------------------------------------

class Matrix:
    """A mount by the daemon that dies at named points, and what became of each cell."""

    def __init__(self, sim, gw, arm):
        self.sim, self.gw, self.arm = sim, gw, arm
        self.n = 0
        self.cells = {}    # (operation, point) -> kills
        self.wrong = {"client_errors": 0, "wrong_bytes": 0, "twice": 0, "lost": 0}
        self.pauses, self.reports = [], []
        self.holder = gw.process("ontapfs-hold")
        os.mkdir(gw.mnt + "/project1/k")

    def daemon(self):
        return daemon_of(self.holder)

    def kill(self, make, point, what):
        """One operation, one kill. Counts what is wrong."""
        self.n += 1
        op = make()
        op.sim, op.vol = self.sim, self.gw.mnt + "/project1"
        name = "c%d" % self.n
        x, s = ["%s/k/%s/%s" % (top, name, name) for top in (self.gw.mnt + "/project1", self.sim.path())]
        os.mkdir(os.path.dirname(s))
        cell = "%s killed at %s %s" % (op.name, point, what)
        holder = self.holder
        try:
            op.prepare(s if not isinstance(op, Verb) else x)
            self._one(op, point, what, x, s, holder)
            self.cells[op.name, (point, what)] = self.cells.get((op.name, (point, what)), 0) + 1
        except Wrong as e:
            self.wrong[e.kind] += 1
            self.reports.append("%s: %s" % (cell, e))
        finally:
            os.kill(holder, signal.SIGCONT)
            with contextlib.suppress(OSError):
                os.unlink(self.arm)
        op.clean(s)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(s))

    def _one(self, op, point, what, x, s, holder):
        caller = Caller(op, x)
        try:
            self._die(op, point, what, x, s, holder, caller)
        finally:
            caller.end()

    def _die(self, op, point, what, x, s, holder, caller):
        daemon = self.daemon()
        with_other = (point in ANSWERED or (op.overtaken and point == "received" and what == op.calls[-1]))
        with_other = with_other and type(op).other is not Op.other
        if with_other:
            os.kill(holder, signal.SIGSTOP)
        with open(self.arm + ".new", "w", encoding="ascii") as f:
            f.write("%s %s" % (point, what))
        os.rename(self.arm + ".new", self.arm)
        caller.go()
        end = time.monotonic() + LIMIT
        while os.path.exists(self.arm):
            if caller.answered(0.001) and point not in ANSWERED and not isinstance(op, CloseUnlinked):
                end = 0
            if time.monotonic() > end and os.path.exists(self.arm):
                t.fail("%s never got to %s %s: %s" % (op.name, point, what, caller.report))
        if with_other:
            t.wait_for(lambda: _dead(daemon), "the daemon's death", 10)
            if point in ANSWERED:
                caller.answered(LIMIT)
            op.other(s)
            os.kill(holder, signal.SIGCONT)
        expect(caller.answered(LIMIT), "client_errors", "no answer within %d s" % LIMIT)
        err, seconds = caller.result()
        want = op.answers.get(point, (None,))
        expect(err in want, "client_errors", "answer %s, want %s" % (t.name_of(err), " or ".join(map(t.name_of, want))))
        if not with_other and point not in ANSWERED and not isinstance(op, CloseUnlinked):
            self.pauses.append(seconds)
        # Answered by the successor, who is through with what it found by then.
        t.wait_for(lambda: self.daemon() not in (None, daemon), "a new daemon", LIMIT)
        with contextlib.suppress(FileNotFoundError):
            os.stat(x + ".nobody")
        if err not in (errno.ENOTEMPTY, errno.EPERM):
            (op.kept if with_other else op.done)(s)
        caller.finish()
        expect(not caller.wrong, *(caller.wrong or ("", "")))

    def summary(self):
        p = sorted(self.pauses) or [0]
        return "kills=%d ops=%d %s p50_ms=%.0f p99_ms=%.0f" % (
            self.n, self.n, " ".join("%s=%d" % kv for kv in self.wrong.items()),
            p[len(p) // 2] * 1000, p[min(len(p) - 1, len(p) * 99 // 100)] * 1000)

    def table(self):
        """Kills of each cell, an operation a line."""
        lines = []
        for name in dict.fromkeys(n for n, _ in self.cells):
            lines.append("%-18s %s" % (name, "  ".join(
                "%s=%d" % (p if w.isdigit() else "%s(%s)" % (p, w), k) for (n, (p, w)), k in self.cells.items() if n == name)))
        return "\n".join(lines)


class Caller:
    """The process that does the operation, since it may hang."""

    def __init__(self, op, x):
        self.report = self.wrong = None
        to_me, self.w = os.pipe()
        self.r, from_me = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.w)
            os.close(self.r)
            self._run(op, x, to_me, from_me)
        os.close(to_me)
        os.close(from_me)
        ok = self._recv(LIMIT)
        if ok != "ready":
            self.end()
            t.fail("%s: %s" % (op.name, ok))

    @staticmethod
    def _send(fd, what):
        os.write(fd, pickle.dumps(what))

    def _recv(self, timeout):
        if not select.select([self.r], [], [], timeout)[0]:
            return None
        data = os.read(self.r, 65536)
        return pickle.loads(data) if data else "the caller died"

    def _run(self, op, x, r, w):
        try:
            h = op.open(x)
            self._send(w, "ready")
            os.read(r, 1)
            begin = time.monotonic()
            err = None
            try:
                op.act(x, h)
            except OSError as e:
                err = e.errno
            self._send(w, (err, time.monotonic() - begin))
            os.read(r, 1)
            try:
                op.finish(x, h)
                self._send(w, ())
            except Wrong as e:
                self._send(w, (e.kind, str(e)))
        except BaseException:  # noqa: B902  the parent tells it
            with contextlib.suppress(OSError):
                self._send(w, traceback.format_exc()[-2000:])
        finally:
            os._exit(0)

    def go(self):
        os.write(self.w, b"g")

    def answered(self, timeout):
        if self.report is None:
            self.report = self._recv(timeout)
        return self.report is not None

    def result(self):
        if not isinstance(self.report, tuple):
            self.end()
            t.fail("the caller: %s" % (self.report,))
        return self.report

    def finish(self):
        os.write(self.w, b"f")
        self.wrong = self._recv(LIMIT)
        if self.wrong is None or isinstance(self.wrong, str):
            self.wrong = ("client_errors", "the end: %s" % self.wrong)
        self.end()

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.r)
            os.close(self.w)
        self.pid = 0


def daemon_of(holder):
    """A daemon's pid, None while there is none: the holder has no other child that lives."""
    with open("/proc/%d/task/%d/children" % (holder, holder), encoding="ascii") as f:
        alive = [int(p) for p in f.read().split() if not _dead(int(p))]
    return alive[0] if alive else None


def _dead(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


@contextlib.contextmanager
def matrix(*opts):
    """A simulator, and a mount of it by the daemon of build/kill."""
    arm = t.WORK + "/kill-at"
    os.environ["ONTAPFS_KILL_AT"] = arm
    os.environ["ONTAPFS_HOLD"] = os.path.join(t.BUILD, "ontapfs-hold")
    whole, t.ONTAPFS = t.ONTAPFS, os.path.join(t.BUILD, "kill", "ontapfs")
    try:
        with t.own_mount("verbs_per_minute=100000", *opts) as (sim, gw):
            yield Matrix(sim, gw, arm)
    finally:
        t.ONTAPFS = whole


