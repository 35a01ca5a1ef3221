"""Processes that change files all the time and check every answer, for tests of pauses."""
import contextlib
import errno
import os
import pickle
import time
import traceback
import ontapfs_test as t


class Load:
    """Workers below a directory on a mount, from the constructor until stop().

    Each step must happen exactly once and give the answer of a local file
    system; the first that does not ends its worker with a report."""

    def __init__(self, top, behind, workers=3):
        self.top, self.behind, self.n = top, behind, workers
        r, self.stop_fd = os.pipe()
        os.set_blocking(r, False)
        self.reports, self.pids = [], []
        for w in range(workers):
            mine, theirs = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(self.stop_fd)
                self._work(w, r, theirs)
            os.close(theirs)
            self.reports.append(mine)
            self.pids.append(pid)
        os.close(r)

    def progress(self):
        """Steps of each worker so far, as another client sees them; asks nothing of the mount."""
        out = []
        for w in range(self.n):
            try:
                out.append(os.path.getsize("%s/log%d" % (self.behind, w)) // 7)
            except FileNotFoundError:
                out.append(0)
        return out

    def goes_on(self, steps=2, timeout=30):
        """Waits until every worker did some more steps, or one of them ended."""
        before = self.progress()
        t.wait_for(lambda: all(b - a >= steps for a, b in zip(before, self.progress())) or self._ended(),
                   "all workers to go on", timeout)

    def _ended(self):
        return any(os.waitid(os.P_PID, p, os.WEXITED | os.WNOHANG | os.WNOWAIT) for p in self.pids)

    def stop(self):
        """Ends the workers and checks what they left; the longest pause of any call, in seconds."""
        os.close(self.stop_fd)
        longest, wrong = 0.0, []
        for w, (fd, pid) in enumerate(zip(self.reports, self.pids)):
            with open(fd, "rb") as f:
                data = f.read()
            os.waitpid(pid, 0)
            if not data:
                wrong.append("worker %d died" % w)
                continue
            steps, pause, text = pickle.loads(data)
            longest = max(longest, pause)
            if text:
                wrong.append("worker %d in step %d:\n%s" % (w, steps, text))
        t.ok(not wrong, "\n".join(wrong))
        for w in range(self.n):
            lines = t.read("%s/log%d" % (self.behind, w)).split(b"\n")[:-1]
            t.eq(lines, [b"%06d" % i for i in range(len(lines))], "each append of worker %d once, in order" % w)
        t.eq([x for x in os.listdir(self.top) if x.startswith("w")], [], "nothing half done is left")
        return longest

    def _work(self, w, stop_fd, report_fd):
        n, longest, text = 0, 0.0, ""

        def timed(fn, *args, **kw):
            nonlocal longest
            begin = time.monotonic()
            try:
                return fn(*args, **kw)
            finally:
                longest = max(longest, time.monotonic() - begin)

        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    if os.read(stop_fd, 1) == b"":
                        break
                self._step(w, n, timed)
                n += 1
        except BaseException:  # noqa: B902  stop() tells it
            text = traceback.format_exc()
        os.write(report_fd, pickle.dumps((n, longest, text[-3000:])))
        os._exit(0)

    def _step(self, w, n, timed):
        def fails(want, fn, *args):
            t.eq(t.name_of(timed(t.errno_of, fn, *args)), t.name_of(want), "%s%r" % (fn.__name__, args))

        base = "%s/w%d-%d" % (self.top, w, n)
        timed(os.mkdir, base)
        fails(errno.EEXIST, os.mkdir, base)
        x, y, z = base + "/x", base + "/y", base + "/z"
        fd = timed(os.open, x, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fails(errno.EEXIST, os.open, x, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        t.eq(timed(os.write, fd, b"%06d" % n * 1000), 6000, "written")
        timed(os.pwrite, fd, b"head", 0)
        timed(os.link, x, y)
        timed(os.rename, x, z)
        fails(errno.ENOENT, os.stat, x)
        t.eq(timed(os.stat, z).st_nlink, 2, "links")
        got, want = timed(t.read, z), b"head" + (b"%06d" % n * 1000)[4:]
        if got != want:
            there = t.read("%s/w%d-%d/z" % (self.behind, w, n))
            t.fail("content: %d bytes that begin with %r, at the server %d that begin with %r, want %d that begin "
                   "with %r" % (len(got), got[:12], len(there), there[:12], len(want), want[:12]))
        timed(os.symlink, "z", base + "/l")
        t.eq(timed(os.readlink, base + "/l"), "z", "target")
        t.eq(sorted(timed(os.listdir, base)), ["l", "y", "z"], "names")
        timed(os.truncate, y, 100)
        t.eq(timed(os.fstat, fd).st_size, 100, "size of the open file")
        fails(errno.ENOTEMPTY, os.rmdir, base)
        for name in ("y", "z", "l"):
            timed(os.unlink, base + "/" + name)
        t.eq(timed(os.pread, fd, 4, 0), b"head", "open and removed")
        timed(os.close, fd)
        # The last name of an open file goes away with its close, a moment later.
        end = time.monotonic() + 10
        while t.errno_of(os.rmdir, base) == errno.ENOTEMPTY and time.monotonic() < end:
            time.sleep(0.002)
        t.eq(os.listdir(base) if os.path.exists(base) else [], [], "names left in a removed directory")
        fails(errno.ENOENT, os.rmdir, base)
        fd = timed(os.open, "%s/log%d" % (self.top, w), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        timed(os.write, fd, b"%06d\n" % n)
        timed(os.close, fd)
