"""Processes that write numbered stamps, and what a tree may hold of them: for snapshots under load, and for kills.

A writer puts its numbers 1, 2, 3, ... one after the other into places that are spread
over three files. Before each write it says in memory that it begins, when it returned
that it is done. So of any moment of its files is known: each number that was done
before is there, none that began later, and no number without all before it.
"""
import contextlib
import hashlib
import mmap
import os
import traceback
import ontapfs_test as t

FILES = 3
RECORD = 16


def stamp(k, size=RECORD):
    return b"%015d\n" % k * (size // RECORD)


class Writer:
    """One way to write. Numbers p, p + places, p + 2 places, ... share a place."""
    places, size = 64 * FILES, RECORD
    flags = os.O_RDWR | os.O_CREAT

    def __init__(self, top, number):
        self.dir = os.path.join(top, "%s%d" % (type(self).__name__.lower(), number))

    def path(self, k, top=None):
        return os.path.join(top or self.dir, "f%d" % (k % FILES))

    def at(self, k):
        return k % self.places // FILES * self.size

    def begin(self):
        self.fds = [os.open(self.path(k), self.flags, 0o644) for k in range(FILES)]

    def leave(self):
        """For the process that only watches."""
        for fd in self.fds:
            os.close(fd)

    def write(self, k):
        data = stamp(k, self.size)
        t.eq(os.pwrite(self.fds[k % FILES], data, self.at(k)), len(data), "bytes of a write")

    def there(self, top):
        """[numbers in each place]: one, or several when a write was under way. 0: never written."""
        out = []
        for p in range(self.places):
            with open(self.path(p, top), "rb") as f:
                f.seek(self.at(p))
                data = f.read(self.size).ljust(self.size, b"\0")
            out.append({int(data[i:i + RECORD].strip(b"\0\n") or b"0") for i in range(0, self.size, RECORD)})
        return out

    def check(self, top, done, begun, what):
        """A tree with this writer's files: all up to `done` must be in it, nothing beyond `begun`."""
        there = self.there(top)
        last = max(max(x) for x in there)
        what = "%s, %s, with %d done and %d begun" % (what, os.path.basename(self.dir), done, begun)
        t.ok(done <= last <= begun, "%s: the last that is there is %d" % (what, last))
        for p, got in enumerate(there):
            want = max(0, last - (last - p) % self.places)
            if p == last % self.places and last > done:
                t.ok(got <= {last, max(0, last - self.places)}, "%s: %s where %d is under way" % (what, got, last))
            else:
                t.eq(got, {want}, "%s: place %d of %d, the last being %d" % (what, p, self.places, last))
        return last


class Plain(Writer):
    pass


class Large(Writer):
    """Several calls of NFS each."""
    places, size = 8 * FILES, 150000 // RECORD * RECORD


class Direct(Writer):
    size = 4096
    flags = Writer.flags | os.O_DIRECT

    def write(self, k):
        with mmap.mmap(-1, self.size) as aligned:
            aligned[:] = stamp(k, self.size)
            t.eq(os.pwrite(self.fds[k % FILES], aligned, self.at(k)), self.size, "bytes of a write")


class Mapped(Writer):
    """By a mapping: what counts is that msync returned."""

    def begin(self):
        super().begin()
        self.maps = []
        for fd in self.fds:
            os.ftruncate(fd, self.places // FILES * self.size)
            self.maps.append(mmap.mmap(fd, 0))

    def leave(self):
        super().leave()
        for m in self.maps:
            m.close()

    def write(self, k):
        m = self.maps[k % FILES]
        m[self.at(k):self.at(k) + self.size] = stamp(k)
        m.flush()


class Saved(Writer):
    """As editors save: a new file, fsync, close, rename over the old one."""
    places, size = FILES, 100 * RECORD

    def begin(self):
        self.fds = []
        for k in range(FILES):
            t.write(self.path(k), b"")

    def write(self, k):
        new = self.path(k) + ".new"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        t.eq(os.write(fd, stamp(k, self.size)), self.size, "bytes of a write")
        os.fsync(fd)
        os.close(fd)
        os.rename(new, self.path(k))


class Appended(Writer):
    flags = Writer.flags | os.O_APPEND

    def write(self, k):
        t.eq(os.write(self.fds[k % FILES], stamp(k)), RECORD, "bytes of a write")

    def check(self, top, done, begun, what):
        files = [t.read(self.path(k, top)).split() for k in range(FILES)]
        last = max(int(x[-1]) if x else 0 for x in files)
        t.ok(done <= last <= begun, "%s, appended: %d done and %d begun, the last that is there is %d" % (
            what, done, begun, last))
        for f, got in enumerate(files):
            t.eq([int(x) for x in got], [k for k in range(1, last + 1) if k % FILES == f], what + ": each append once")
        return last


KINDS = (Plain, Large, Direct, Mapped, Saved, Appended)


class Writers:
    """A process for each way to write; for two of the ways where there are more directories, such as the same
    one by another mount."""

    def __init__(self, *tops, pace=0.003):
        self.pace = pace  # seconds between two writes, so that something else gets the processor, too
        self.all = [kind(top, i) for i, top in enumerate(tops) for kind in (KINDS if i == 0 else KINDS[:2])]
        self.shared = mmap.mmap(-1, 16 * len(self.all))
        self.told = memoryview(self.shared).cast("Q")
        stop, self.stop_fd = os.pipe()
        os.set_blocking(stop, False)
        self.pids, self.reports = [], []
        for i, w in enumerate(self.all):
            os.mkdir(w.dir)
            w.begin()  # here, so that no snapshot comes before the files
            report, theirs = os.pipe()
            pid = os.fork()
            if pid == 0:
                self._work(i, w, stop, theirs)
            w.leave()
            os.close(theirs)
            self.pids.append(pid)
            self.reports.append(report)
        os.close(stop)

    def _work(self, i, w, stop, report):
        os.close(self.stop_fd)
        k = 0
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    if os.read(stop, 1) == b"":
                        break
                k += 1
                self.told[2 * i] = k
                w.write(k)
                self.told[2 * i + 1] = k
                t.pause(self.pace)
        except BaseException:  # noqa: B902  stop() tells it
            os.write(report, ("%s, number %d:\n%s" % (w.dir, k, traceback.format_exc()[-2000:])).encode())
        os._exit(0)

    def begun(self):
        return [self.told[2 * i] for i in range(len(self.all))]

    def done(self):
        return [self.told[2 * i + 1] for i in range(len(self.all))]

    def ended(self):
        return any(os.waitid(os.P_PID, p, os.WEXITED | os.WNOHANG | os.WNOWAIT) for p in self.pids)

    def goes_on(self, steps=3, timeout=60):
        before = self.done()
        t.wait_for(lambda: self.ended() or all(b - a >= steps for a, b in zip(before, self.done())),
                   "all writers to go on", timeout)
        if self.ended():
            self.stop()
            t.fail("a writer ended by itself")

    def stop(self):
        """Ends them; fails when one met an error."""
        if not self.pids:
            return
        os.close(self.stop_fd)
        wrong = b""
        for pid, fd in zip(self.pids, self.reports):
            with open(fd, "rb") as f:
                wrong += f.read()
            os.waitpid(pid, 0)
        self.pids = []
        t.ok(not wrong, wrong.decode())

    def check(self, tree, done, begun, what):
        """tree(writer) is the directory that stands for the writer's."""
        for w, d, b in zip(self.all, done, begun):
            w.check(tree(w), d, b, what)


def digest(top):
    """One number for all bytes and names below a directory."""
    h = hashlib.sha256()
    for root, dirs, files in os.walk(top):
        dirs.sort()
        for n in sorted(files):
            h.update(os.path.join(os.path.relpath(root, top), n).encode() + b"\0" + t.read(os.path.join(root, n)))
    return h.hexdigest()


def snapshots_under_load(mounts, store_of, rounds, prefix, keep=3):
    """Takes snapshots of project1 while writers are at work in it by all mounts: each must hold one moment of
    all of them between mkdir's call and its return, and stay as it is. How many were taken and numbers written."""
    tops = [os.path.join(m, "project1", prefix) for m in mounts]
    os.mkdir(tops[0])
    writers = Writers(*tops)
    kept = []
    try:
        for n in rounds:
            writers.goes_on(1)
            mount, name = mounts[n % len(mounts)], "%s%d" % (prefix, n)
            snap = os.path.join(mount, "project1/.snapshots", name)
            done = writers.done()
            os.mkdir(snap)
            begun = writers.begun()
            at = os.path.join(snap, prefix)
            writers.check(lambda w: os.path.join(at, os.path.basename(w.dir)), done, begun, "snapshot %s" % name)
            kept.append((mount, name, digest(at)))
            if len(kept) > keep:
                old, gone, want = kept.pop(0)
                t.eq(digest(os.path.join(store_of(gone), prefix)), want, "the store's bytes of %s" % gone)
                t.eq(digest(os.path.join(old, "project1/.snapshots", gone, prefix)), want, "bytes of %s, later" % gone)
                t.drop(os.path.join(old, "project1/.snapshots", gone))
    finally:
        writers.stop()
    for mount, name, want in kept:
        # Made by one mount, read by the others: as another host sees it.
        t.eq(digest(os.path.join(store_of(name), prefix)), want, "the store's bytes of %s" % name)
        for m in mounts:
            t.eq(digest(os.path.join(m, "project1/.snapshots", name, prefix)), want, "bytes of %s, mount %s" % (name, m))
    return n + 1, sum(writers.done())


def kills_under_load(sim, gw, what, rounds):
    """Writers are at work while the server, the gateway's daemon or both are killed, again and again; at the
    end the server is killed once more, and what it then has must hold every number that was done. Kills, writes."""
    top = os.path.join(gw.mnt, "project1/work")
    os.mkdir(top)
    writers = Writers(top)
    try:
        for n in rounds:
            writers.goes_on()
            which = what[n % len(what)]
            if which in ("server", "both"):
                kill_server(sim)
            if which in ("gateway", "both"):
                gw.replace_daemon()
            if which in ("server", "both"):
                sim.up()
            writers.goes_on(1)
    finally:
        writers.stop()
    begun, done = writers.begun(), writers.done()
    kill_server(sim)
    sim.up()
    store = os.path.join(sim.path(), "work")
    writers.check(lambda w: os.path.join(store, os.path.basename(w.dir)), done, begun, "the server's store")
    return n + 1, sum(done)


def kill_server(sim):
    """kill -9 of the NFS server: what it has not written is lost."""
    sim.kill("nfs")
    sim.down()
