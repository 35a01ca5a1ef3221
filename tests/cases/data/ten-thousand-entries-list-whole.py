#!/usr/bin/env python3
"""A large directory lists every name once, live and in a snapshot; seekdir and rewinddir land where they should."""
# time-limit: 120
# cells: readdir/live
import ctypes
import os
import ontapfs_test as t

N = 10000
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "big")
os.mkdir(behind)
want = set()
for i in range(N):
    n = "entry-%05d-%s" % (i, "x" * (i % 40))
    want.add(n)
    os.close(os.open(behind + "/" + n, os.O_CREAT | os.O_WRONLY))
t.take()


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_uint16),
                ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


libc = t.libc
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
for f in ("readdir", "telldir", "rewinddir", "closedir"):
    getattr(libc, f).argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
libc.telldir.restype = ctypes.c_long


def rest_of(d, limit=None):
    out = []
    while limit is None or len(out) < limit:
        e = libc.readdir(d)
        if not e:
            break
        out.append(e.contents.name.decode())
    return out


for p in (t.CASE + "/big", t.in_snap() + "/big"):
    for _ in range(2):
        names = os.listdir(p)
        t.eq((len(names), len(set(names)), set(names) == want), (N, N, True), "listing of " + p)
    t.eq(sum(1 for e in os.scandir(p) if e.is_file(follow_symlinks=False)), N, "kinds")
    d = libc.opendir(p.encode())
    t.ok(d, "opendir")
    order = rest_of(d)
    t.eq(set(order) - {".", ".."}, want, "by readdir")
    libc.rewinddir(d)
    t.eq(rest_of(d), order, "after rewinddir")
    libc.rewinddir(d)
    marks = {}
    for k in (0, 1, 2, 100, 4999, 9000):
        libc.rewinddir(d)
        rest_of(d, k)
        marks[k] = libc.telldir(d)
    for k in (9000, 0, 4999, 2, 100, 1):
        libc.seekdir(d, marks[k])
        t.eq(rest_of(d, 50), order[k:k + 50], "after seekdir to entry %d" % k)
    libc.closedir(d)
t.run("rm", "-rf", t.CASE + "/big", timeout=100)
t.ok(not os.path.exists(t.CASE + "/big"), "rm -rf of a large directory")
t.eq(len(os.listdir(t.in_snap() + "/big")), N, "the snapshot still has them")
