#!/usr/bin/env python3
"""Another client rewrites a file, same size, and puts its mtime back: who opens it again reads the new bytes."""
import os
import ontapfs_test as t

SIZE = 200000
f = t.CASE + "/f"
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "f")
t.write(f, b"%08d" % 0 * (SIZE // 8))


def rewrite(n):
    t.pause(0.02)  # ctime of the server ticks with its clock
    st = os.stat(behind)
    t.write(behind, b"%08d" % n * (SIZE // 8), os.O_WRONLY)
    os.utime(behind, ns=(st.st_atime_ns, st.st_mtime_ns))
    t.eq((os.stat(behind).st_size, os.stat(behind).st_mtime_ns), (st.st_size, st.st_mtime_ns), "disguised")


def listed():
    with os.scandir(t.CASE) as it:
        return [e.stat().st_size for e in it]


def aged():
    t.pause(1.05)  # attr_timeout: the kernel asks again
    os.stat(f)


# How the kernel may have been told of the change before the file is opened.
told = {"by the open": lambda: None, "by a listing": listed, "by a stat": aged, "by both": lambda: (aged(), listed())}
n = 0
for held in (False, True):
    fd = os.open(f, os.O_RDONLY) if held else -1
    for what in ["by the open"] * 4 + list(told) + ["by a listing"] * 4:
        t.ok(t.read(f) == b"%08d" % n * (SIZE // 8), "version %d" % n)
        n += 1
        rewrite(n)
        told[what]()
        got = t.read(f)
        t.ok(got == b"%08d" % n * (SIZE // 8), "version %d, kernel told %s, %s: got %r" % (
            n, what, "another descriptor held" if held else "not open", sorted({got[i:i + 8] for i in range(0, SIZE, 8)})))
    if held:
        os.close(fd)
