"""Random steps on a mount and on a local directory, side by side: each must give the same.

python3-hypothesis draws the steps: operations on names, data and attributes in a
volume and in its clones, descriptors that stay open, snapshots and clones that are
made, renamed, read and deleted meanwhile. The reference is a plain directory; a
snapshot is a copy of it that nobody touches, a clone a copy that goes on. The
answer of each step is compared (a value, or an errno), and now and then, as at the
end, whole trees: by the mount, and in the server's store.

One seed names one course of steps (for one version of hypothesis). explore() runs
seeds one after the other; the first that differs prints its seed and steps.
"""
import contextlib
import errno
import functools
import hashlib
import json
import mmap
import os
import shutil
import stat
import sys
import time
import unittest

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import ontapfs_test as t

SIZE_MAX = 300000
# Set times are older than any file here: so it shows which are still the set ones.
OLD = 1500000000

NAMES = ("a", "b", "c")
DIRS = ("", "d", "e", "d/f")
path_s = st.builds(os.path.join, st.sampled_from(DIRS), st.sampled_from(NAMES + ("d", "e", "f")))
dir_s = st.sampled_from(("d", "e", "d/f", "d/e", "a"))
space_s = st.integers(0, 2)
number_s = st.integers(0, 7)
offset_s = st.one_of(st.integers(0, 100), st.integers(0, SIZE_MAX),
                     st.sampled_from((4095, 4096, 65536, 65537, 131072)))
length_s = st.sampled_from((1, 7, 512, 4095, 4096, 4097, 65536, 65537, 140001))
open_s = st.tuples(st.sampled_from((os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR)), st.booleans(),
                   st.sampled_from((0, 0, 0, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_APPEND | os.O_TRUNC,
                                    os.O_NOFOLLOW, os.O_DIRECTORY)))
mode_s = st.sampled_from((0o644, 0o600, 0o755, 0o400, 0o000, 0o666, 0o664))
who_s = st.sampled_from((0, 0, 0, t.A, t.B))


def data_of(step, n):
    """Bytes that tell of which step they are."""
    return (b"%07d\n" % step * (n // 8 + 1))[:n]


def outcome(fn, *args, **kw):
    try:
        return fn(*args, **kw)
    except OSError as e:
        return t.name_of(e.errno)


def is_private(name):
    """Names of removed files that are still open: this side has them, a local file system needs none."""
    return name.startswith(".nfs")


def attributes(s):
    """What of stat both sides must agree in. Times count while they are those that utimens set."""
    kind = stat.S_IFMT(s.st_mode)
    out = [oct(s.st_mode) if kind != stat.S_IFLNK else oct(kind), s.st_uid, s.st_gid]
    if kind == stat.S_IFREG:
        out += [s.st_size, s.st_nlink or "removed", s.st_mtime_ns if s.st_mtime < OLD else "now"]
    return out


def picture(top):
    """{path: what it is} of a tree; hard links are told by the first of their names."""
    out, first = {}, {}
    todo = [""]
    while todo:
        rel = todo.pop()
        path = os.path.join(top, rel)
        s = os.lstat(path)
        what = attributes(s)
        if stat.S_ISDIR(s.st_mode):
            todo += [os.path.join(rel, n) for n in sorted(os.listdir(path), reverse=True) if not is_private(n)]
        elif stat.S_ISLNK(s.st_mode):
            what.append(os.readlink(path))
        else:
            what += [first.setdefault(s.st_ino, rel), hashlib.sha256(t.read(path)).hexdigest()]
        out[rel] = what
    return out


def same(got, want, what):
    diff = ["%s: got %s, want %s" % (p or ".", got.get(p), want.get(p))
            for p in sorted(set(got) | set(want)) if got.get(p) != want.get(p)]
    t.ok(not diff, "%s:\n%s" % (what, "\n".join(diff[:6])))


class World:
    """The simulator, the mount and the reference that all courses of a run share."""

    def __init__(self, sim, work, *opts):
        self.sim, self.store, self.n = sim, sim.path(), 0
        conf = t.backend(sim.dir)
        conf["skipRecoveryQueue"] = "true"
        source = os.path.join(work, "model.json")
        t.write(source, json.dumps(conf), mode=0o600)
        self.gw = t.Gateway(source, os.path.join(work, "mnt"), "verbs_per_minute=100000", *opts)
        self.ref = os.path.join(work, "ref")
        os.mkdir(self.ref)

    @property
    def volume(self):
        return os.path.join(self.gw.mnt, "project1")


class Space:
    """A volume or clone: its tree on the mount, the reference, and in the server's store."""

    def __init__(self, root, ref, store, clone=None, base=None):
        self.root, self.ref, self.store, self.clone, self.base = root, ref, store, clone, base


class Snapshot:
    def __init__(self, name, copy):
        self.name, self.copy, self.want = name, copy, picture(copy)


class Descriptor:
    def __init__(self, fd, ref, space, flags, who):
        self.fd, self.ref, self.space, self.flags, self.who = fd, ref, space, flags, who

    def removed(self):
        return os.fstat(self.ref).st_nlink == 0


def step(fn):
    """Counts, notes and runs one step; what the rules below are wrapped in."""
    @functools.wraps(fn)
    def run(self, **kw):
        self.go_on()
        self.steps += 1
        self.trace.append("%d %s(%s)" % (self.steps, fn.__name__, ", ".join("%s=%r" % x for x in sorted(kw.items()))))
        try:
            fn(self, **kw)
        except BaseException:
            self.differs()
            raise
    return run


class Machine(RuleBasedStateMachine):
    world = None      # set by explore()
    steps_done = 0    # in all courses
    told = False      # of a difference
    end = None        # when no more steps are made, as of time.monotonic()

    def __init__(self):
        super().__init__()
        w = self.world
        w.n += 1
        self.tag = "m%d" % w.n
        self.steps = self.made = 0
        self.fds, self.snapshots, self.spaces, self.trace = [], [], [], []
        self.go_on()
        self.live = Space(os.path.join(w.volume, self.tag), os.path.join(w.ref, self.tag),
                          os.path.join(w.store, self.tag))
        self.spaces.append(self.live)
        for p in (self.live.root, self.live.ref):
            # Something to begin with, so that most steps meet something.
            for d in DIRS:
                os.mkdir(os.path.join(p, d))
                os.chmod(os.path.join(p, d), 0o777)
            for n in ("a", "d/a", "e/b"):
                t.write(os.path.join(p, n), data_of(0, 5000), mode=0o666)

    def go_on(self):
        if self.end and time.monotonic() > self.end:
            raise unittest.SkipTest("the time is over")  # which hypothesis passes on at once

    def differs(self):
        """Told at once: to make the course small takes hypothesis a while. What follows is not limited in time."""
        type(self).end = None
        if not type(self).told:
            type(self).told = True
            print("steps until the difference:\n%s" % "\n".join(self.trace), flush=True)

    # ---- the frame --------------------------------------------------------------------

    def name(self):
        self.made += 1
        return "%s_%d" % (self.tag, self.made)

    def snapshot_path(self, s):
        return os.path.join(self.world.volume, ".snapshots", s.name)

    def space(self, n):
        return self.spaces[n % len(self.spaces)]

    def both(self, what, who, fn, *args):
        """fn with both sides of each argument that is a pair; the outcomes must be equal, and one is returned."""
        if who:
            os.setegid(who)
            os.seteuid(who)
        try:
            got, want = (outcome(fn, *(x[i] if isinstance(x, tuple) else x for x in args)) for i in (0, 1))
        finally:
            os.seteuid(0)
            os.setegid(0)
        if got != want:
            t.fail("%s: got %s, want %s" % (what, short(got), short(want)))
        return want

    def paths(self, space, path):
        s = self.space(space)
        return os.path.join(s.root, path), os.path.join(s.ref, path)

    def descriptor(self, n):
        d = self.fds[n % len(self.fds)]
        return d, (d.fd, d.ref)

    def close_all(self, keep=lambda d: False):
        for d in [d for d in self.fds if not keep(d)]:
            os.close(d.fd)
            os.close(d.ref)
            self.fds.remove(d)

    def in_use(self, ref):
        """Has somebody other than root a file of the reference open? NFSv3 asks for his right again at each
        READ and WRITE, so nobody takes it away here."""
        if not isinstance(ref, int) and not os.path.exists(ref):
            return False
        return any(d.who and os.path.samestat(os.fstat(d.ref), os.stat(ref)) for d in self.fds)

    def holds_private(self, path):
        """Does only a file that is open and removed keep this directory from being empty? Such a name goes
        with the last close, a moment later."""
        def names():
            try:
                return os.listdir(path)
            except OSError:
                return []
        if not names() or not all(is_private(n) for n in names()):
            return False
        if not any(d.removed() for d in self.fds):
            t.wait_for(lambda: not names(), "no .nfs name is left in " + path, 30)
            return False
        return True

    # ---- descriptors ------------------------------------------------------------------

    @rule(space=space_s, path=path_s, how=open_s, mode=mode_s, who=who_s, direct=st.booleans())
    @step
    def open(self, space, path, how, mode, who, direct):
        acc, create, more = how
        flags = acc | more | (os.O_CREAT if create and not more & os.O_DIRECTORY else 0)
        if more & os.O_EXCL and not create:
            flags &= ~os.O_EXCL
        # No page cache of this side: something local file systems want aligned buffers for.
        mine = flags | os.O_DIRECT if direct and not os.path.isdir(self.paths(space, path)[1]) else flags
        made = []

        def open_(p, f):
            made.append(os.open(p, f, mode))
            return "descriptor"
        self.both("open", who, open_, self.paths(space, path), (mine, flags))
        if made and stat.S_ISREG(os.fstat(made[0]).st_mode) and len(self.fds) < 6:
            self.fds.append(Descriptor(*made, self.space(space), flags, who))
        else:
            for fd in made:
                os.close(fd)

    @precondition(lambda self: self.fds)
    @rule(n=number_s)
    @step
    def close(self, n):
        d, _ = self.descriptor(n)
        os.close(d.fd)
        os.close(d.ref)
        self.fds.remove(d)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, off=offset_s, length=length_s)
    @step
    def pwrite(self, n, off, length):
        self.both("pwrite", 0, os.pwrite, self.descriptor(n)[1], data_of(self.steps, length), off)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, length=length_s)
    @step
    def write(self, n, length):
        d, fds = self.descriptor(n)
        if os.fstat(d.ref).st_size < SIZE_MAX:
            self.both("write", 0, os.write, fds, data_of(self.steps, length))
            self.both("position", 0, os.lseek, fds, 0, os.SEEK_CUR)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, off=offset_s, whence=st.sampled_from((os.SEEK_SET, os.SEEK_CUR, os.SEEK_END)))
    @step
    def lseek(self, n, off, whence):
        self.both("lseek", 0, os.lseek, self.descriptor(n)[1], off % 70000, whence)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, off=offset_s, length=length_s)
    @step
    def pread(self, n, off, length):
        self.both("pread", 0, os.pread, self.descriptor(n)[1], length, off)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, length=length_s)
    @step
    def read(self, n, length):
        self.both("read", 0, os.read, self.descriptor(n)[1], length)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, size=offset_s)
    @step
    def ftruncate(self, n, size):
        self.both("ftruncate", 0, os.ftruncate, self.descriptor(n)[1], size)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, mode=mode_s)
    @step
    def fchmod(self, n, mode):
        d, fds = self.descriptor(n)
        if not self.in_use(d.ref):
            self.both("fchmod", 0, os.fchmod, fds, mode)

    @precondition(lambda self: self.fds)
    @rule(n=number_s)
    @step
    def fstat(self, n):
        d, fds = self.descriptor(n)

        def what(fd):
            a = attributes(os.fstat(fd))
            return a[:4] + ["removed"] + a[5:] if d.removed() else a
        self.both("fstat", 0, what, fds)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, only_data=st.booleans())
    @step
    def fsync(self, n, only_data):
        self.both("fsync", 0, os.fdatasync if only_data else os.fsync, self.descriptor(n)[1])

    @precondition(lambda self: self.fds)
    @rule(n=number_s, on=st.booleans())
    @step
    def set_append(self, n, on):
        import fcntl
        d, fds = self.descriptor(n)
        for fd in fds:
            flags = fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_APPEND
            fcntl.fcntl(fd, fcntl.F_SETFL, flags | (os.O_APPEND if on else 0))
        d.flags = d.flags & ~os.O_APPEND | (os.O_APPEND if on else 0)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, off=offset_s, length=length_s, shared=st.booleans())
    @step
    def map(self, n, off, length, shared):
        """Writes by a mapping, and reads by another one of the whole file."""
        d, fds = self.descriptor(n)
        size = os.fstat(d.ref).st_size
        if d.flags & os.O_ACCMODE == os.O_WRONLY or off + length > size:
            return
        change = d.flags & os.O_ACCMODE == os.O_RDWR

        def mapped(fd):
            with mmap.mmap(fd, size, mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE,
                           mmap.PROT_READ | (mmap.PROT_WRITE if change else 0)) as m:
                before = hashlib.sha256(m).hexdigest()
                if change:
                    m[off:off + length] = data_of(self.steps, length)
                    if shared:
                        m.flush()
                return before, hashlib.sha256(m).hexdigest(), os.pread(fd, length, off)
        self.both("a mapping", 0, mapped, fds)

    @precondition(lambda self: len(self.fds) > 1)
    @rule(n=number_s, to=number_s, off=offset_s, at=offset_s, length=length_s)
    @step
    def copy_file_range(self, n, to, off, at, length):
        src, fds = self.descriptor(n)
        dst, dfds = self.descriptor(to)
        if src is dst or src.space is not dst.space or os.path.sameopenfile(src.ref, dst.ref):
            return

        def copy(a, b):
            done = 0
            while done < length:
                k = os.copy_file_range(a, b, length - done, off + done, at + done)
                if k == 0:
                    break
                done += k
            return done
        self.both("copy_file_range", 0, copy, fds, dfds)

    @precondition(lambda self: self.fds)
    @rule(n=number_s, off=offset_s, punch=st.booleans())
    @step
    def fallocate(self, n, off, punch):
        """Not supported, and then nothing may have changed: other steps look."""
        d, _ = self.descriptor(n)
        want = "EBADF" if d.flags & os.O_ACCMODE == os.O_RDONLY else "ENOTSUP"
        t.eq(outcome(t.fallocate, d.fd, 3 if punch else 0, off, 4096), want, "fallocate")

    # ---- names ------------------------------------------------------------------------

    @rule(space=space_s, path=dir_s, mode=st.sampled_from((0o755, 0o777, 0o777, 0o700)), who=who_s)
    @step
    def mkdir(self, space, path, mode, who):
        self.both("mkdir", who, os.mkdir, self.paths(space, path), mode)

    @rule(space=space_s, path=st.one_of(dir_s, path_s), who=who_s)
    @step
    def rmdir(self, space, path, who):
        mine, ref = self.paths(space, path)
        if not os.path.islink(mine) and self.holds_private(mine):
            return
        self.both("rmdir", who, os.rmdir, (mine, ref))

    @rule(space=space_s, path=path_s, who=who_s)
    @step
    def unlink(self, space, path, who):
        self.both("unlink", who, os.unlink, self.paths(space, path))

    @rule(space=space_s, old=path_s, new=path_s, who=who_s)
    @step
    def rename(self, space, old, new, who):
        mine, ref = self.paths(space, new)
        if os.path.isdir(mine) and not os.path.islink(mine) and self.holds_private(mine):
            return
        self.both("rename", who, os.rename, self.paths(space, old), (mine, ref))

    @rule(space=space_s, old=path_s, new=path_s)
    @step
    def rename_noreplace(self, space, old, new):
        mine, ref = self.paths(space, old)
        if os.path.isdir(mine) and not os.path.islink(mine):
            return  # NFSv3 cannot
        self.both("renameat2", 0, t.renameat2, (mine, ref), self.paths(space, new), t.RENAME_NOREPLACE)

    @rule(space=space_s, old=path_s, new=path_s, who=who_s)
    @step
    def link(self, space, old, new, who):
        self.both("link", who, functools.partial(os.link, follow_symlinks=False), self.paths(space, old),
                  self.paths(space, new))

    @rule(space=space_s, to=path_s, new=path_s, who=who_s)
    @step
    def symlink(self, space, to, new, who):
        self.both("symlink", who, os.symlink, to, self.paths(space, new))

    @rule(space=space_s, path=path_s)
    @step
    def readlink(self, space, path):
        self.both("readlink", 0, os.readlink, self.paths(space, path))

    @rule(space=space_s, path=path_s, mode=mode_s, who=who_s)
    @step
    def chmod(self, space, path, mode, who):
        mine, ref = self.paths(space, path)
        # Modes of directories stay, or most steps would end with EACCES.
        if not os.path.isdir(ref) and not self.in_use(ref):
            self.both("chmod", who, os.chmod, (mine, ref), mode)

    @rule(space=space_s, path=path_s, who=st.sampled_from((0, t.A, t.B)))
    @step
    def chown(self, space, path, who):
        mine, ref = self.paths(space, path)
        if not self.in_use(ref):
            self.both("chown", 0, functools.partial(os.chown, follow_symlinks=False), (mine, ref), who, who)

    @rule(space=space_s, path=path_s, ns=st.integers(10 ** 9, OLD * 10 ** 9))
    @step
    def utimens(self, space, path, ns):
        def set_(p):
            os.utime(p, ns=(ns + 1, ns))
            s = os.stat(p)
            return s.st_atime_ns, s.st_mtime_ns
        self.both("utimens", 0, set_, self.paths(space, path))

    @rule(space=space_s, path=path_s, size=offset_s, who=who_s)
    @step
    def truncate(self, space, path, size, who):
        self.both("truncate", who, os.truncate, self.paths(space, path), size)

    @rule(space=space_s, path=path_s, who=who_s)
    @step
    def stat(self, space, path, who):
        self.both("lstat", who, lambda p: attributes(os.lstat(p)), self.paths(space, path))

    @rule(space=space_s, path=path_s, who=who_s)
    @step
    def read_file(self, space, path, who):
        self.both("a file's bytes", who, t.read, self.paths(space, path))

    @rule(space=space_s, path=st.one_of(dir_s, st.just("")), who=who_s)
    @step
    def readdir(self, space, path, who):
        def names(p):
            with os.scandir(p) as entries:
                return sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink())
                              for e in entries if not is_private(e.name))
        self.both("readdir", who, names, self.paths(space, path))

    @rule(space=space_s)
    @step
    def compare(self, space):
        self.look_at(self.space(space))

    @staticmethod
    def look_at(s):
        want = picture(s.ref)
        same(picture(s.root), want, "the mount")
        same(picture(s.store), want, "the server's store")

    # ---- snapshots --------------------------------------------------------------------

    @precondition(lambda self: len(self.snapshots) < 4)
    @rule()
    @step
    def snapshot(self):
        s = Snapshot.__new__(Snapshot)
        s.name = self.name()
        copy = os.path.join(self.world.ref, s.name)
        os.mkdir(self.snapshot_path(s))
        t.run("cp", "-a", self.live.ref, copy)
        s.__init__(s.name, copy)
        self.snapshots.append(s)

    @precondition(lambda self: self.snapshots)
    @rule(n=number_s)
    @step
    def read_snapshot(self, n):
        self.look_into(self.snapshots[n % len(self.snapshots)])

    def look_into(self, s):
        same(picture(os.path.join(self.snapshot_path(s), self.tag)), s.want, "snapshot " + s.name)

    @precondition(lambda self: self.snapshots)
    @rule(n=number_s, path=path_s)
    @step
    def change_snapshot(self, n, path):
        s = self.snapshots[n % len(self.snapshots)]
        p = os.path.join(self.snapshot_path(s), self.tag)
        for fn in (functools.partial(os.mkdir, p + "/new"), functools.partial(os.rename, self.live.root, p + "/new"),
                   functools.partial(t.write, p + "/new", "x")):
            t.expect((errno.EROFS, errno.EPERM), fn)
        if os.path.lexists(os.path.join(s.copy, path)):
            q = os.path.join(p, path)
            t.expect(errno.EROFS, os.rmdir if os.path.isdir(q) and not os.path.islink(q) else os.unlink, q)

    @precondition(lambda self: self.snapshots)
    @rule(n=number_s, path=path_s, to=path_s)
    @step
    def copy_out(self, n, path, to):
        """A file of a snapshot is read while the live one is written."""
        s = self.snapshots[n % len(self.snapshots)]
        self.both("a copy from a snapshot", 0, lambda a, b: len(shutil.copyfile(a, b)) and t.read(b),
                  (os.path.join(self.snapshot_path(s), self.tag, path), os.path.join(s.copy, path)),
                  self.paths(0, to))

    def is_base(self, s):
        return any(c.base is s for c in self.spaces)

    @precondition(lambda self: self.snapshots)
    @rule(n=number_s)
    @step
    def rename_snapshot(self, n):
        s = self.snapshots[n % len(self.snapshots)]
        old, new = self.snapshot_path(s), self.name()
        got = outcome(os.rename, old, os.path.join(os.path.dirname(old), new))
        t.eq(got, "EBUSY" if self.is_base(s) else None, "rename of snapshot " + s.name)
        if got is None:
            t.ok(not os.path.lexists(old), "the old name %s is gone" % s.name)
            s.name = new

    @precondition(lambda self: self.snapshots)
    @rule(n=number_s)
    @step
    def delete_snapshot(self, n):
        s = self.snapshots[n % len(self.snapshots)]
        p = self.snapshot_path(s)
        if self.is_base(s):
            arm(p)
            t.expect(errno.EBUSY, os.rmdir, p)
            return
        delete(p)
        t.ok(s.name not in os.listdir(os.path.dirname(p)), s.name + " is gone")
        t.expect(errno.ENOENT, os.stat, p)
        shutil.rmtree(s.copy)
        self.snapshots.remove(s)

    # ---- clones -----------------------------------------------------------------------

    @precondition(lambda self: len(self.spaces) < 3)
    @rule(n=number_s, at_root=st.booleans(), now=st.booleans())
    @step
    def clone(self, n, at_root, now):
        if not now and not self.snapshots:
            return
        w, name = self.world, self.name()
        base = None if now else self.snapshots[n % len(self.snapshots)]
        place = os.path.join(w.volume, ".clones", name)
        if now:
            os.mkdir(place)
        elif at_root:
            os.symlink("project1/.snapshots/" + base.name, os.path.join(w.gw.mnt, name))
        else:
            os.symlink("../.snapshots/" + base.name, place)
        ref = os.path.join(w.ref, name)
        t.run("cp", "-a", self.live.ref if now else base.copy, ref)
        t.eq(os.readlink(os.path.join(w.gw.mnt, name)), "project1/.clones/" + name, "the clone's link at the root")
        self.spaces.append(Space(os.path.join(place, self.tag), ref, os.path.join(w.sim.path(name), self.tag), place,
                                 base))

    @precondition(lambda self: len(self.spaces) > 1)
    @rule(n=number_s)
    @step
    def delete_clone(self, n):
        s = self.spaces[1 + n % (len(self.spaces) - 1)]
        arm(s.clone)
        if any(d.space is s for d in self.fds):
            t.expect(errno.EBUSY, os.rmdir, s.clone)
            return
        self.remove_clone(s)

    def remove_clone(self, s):
        delete(s.clone)
        t.expect(errno.ENOENT, os.stat, s.clone)
        t.ok(not os.path.lexists(os.path.join(self.world.gw.mnt, os.path.basename(s.clone))), "its link is gone")
        shutil.rmtree(s.ref)
        self.spaces.remove(s)

    @precondition(lambda self: len(self.spaces) > 1)
    @rule(one=space_s, two=space_s, path=path_s, hard=st.booleans())
    @step
    def leave(self, one, two, path, hard):
        """Neither a file nor a link moves between a volume and its clones."""
        a, b = self.space(one), self.space(two)
        if a is not b and os.path.lexists(os.path.join(a.ref, path)) and \
           not (hard and os.path.isdir(os.path.join(a.ref, path))):
            t.expect(errno.EXDEV, functools.partial(os.link, follow_symlinks=False) if hard else os.rename,
                     os.path.join(a.root, path), os.path.join(b.root, "moved"))

    # ---- the end ----------------------------------------------------------------------

    def teardown(self):
        try:
            # With another exception on its way it would not be the first difference.
            if sys.exc_info()[0] in (None, unittest.SkipTest):
                for s in self.spaces:
                    self.look_at(s)
                for s in self.snapshots:
                    self.look_into(s)
        except BaseException:
            self.differs()
            raise
        finally:
            type(self).steps_done += self.steps
            self.tidy()

    def tidy(self):
        if not self.spaces:
            return
        self.close_all()
        with contextlib.suppress(OSError, t.Failed):
            for s in self.spaces[1:]:
                self.remove_clone(s)
            for s in self.snapshots:
                delete(self.snapshot_path(s))
                shutil.rmtree(s.copy)
            for p in (self.live.root, self.live.ref):
                t.run("rm", "-rf", p)


def arm(path):
    """This process walks in snapshots, and clones are full: it says that it means the rmdir."""
    os.setxattr(path, "ontap.arm", os.path.basename(path).encode())


def delete(path):
    """rmdir of a snapshot or clone. The kernel tells of the last close in it a moment after that returned."""
    def gone():
        arm(path)
        err = t.errno_of(os.rmdir, path)
        t.ok(err in (0, errno.EBUSY), "rmdir of %s: %s" % (path, t.name_of(err)))
        return not err
    t.wait_for(gone, path + " not to be busy", 30)


def short(x):
    text = repr(x)
    return text if len(text) < 400 else text[:200] + "..." + text[-100:] + " (%d characters)" % len(text)


class WithKills(Machine):
    """Meanwhile the daemon is killed, and the mount made anew."""

    @rule()
    @step
    def kill(self):
        self.world.gw.replace_daemon()

    @rule()
    @step
    def remount(self):
        self.close_all()
        self.world.gw.down()
        self.world.gw.up()


def explore(world, seed, seconds, shrink=False, kills=False, courses=100, length=60):
    """The courses of one seed, until the time is over; how many steps that was. A difference is raised."""
    machine = WithKills if kills else Machine
    machine.world, machine.steps_done, machine.end, machine.told = world, 0, time.monotonic() + seconds, False
    phases = [hypothesis.Phase.generate] + ([hypothesis.Phase.shrink] if shrink else [])
    settings = hypothesis.settings(max_examples=courses, stateful_step_count=length, deadline=None, database=None,
                                   phases=phases, report_multiple_bugs=False, print_blob=False,
                                   verbosity=hypothesis.Verbosity.normal if shrink else hypothesis.Verbosity.quiet,
                                   suppress_health_check=list(hypothesis.HealthCheck))
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=settings)
    except (unittest.SkipTest, hypothesis.errors.Flaky):
        # The time is over, in the midst of a course (which hypothesis may find odd).
        if machine.told or time.monotonic() < machine.end:
            raise
    except BaseException:
        print("SEED=%d: not the same" % seed, flush=True)
        raise
    return machine.steps_done
