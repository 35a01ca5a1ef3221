#!/usr/bin/env python3
"""A large directory whose entries come and go, here and on the server, while it is listed: what stays is listed exactly once, its telldir positions are unique and lead to it, and nothing is listed that never was."""
# time-limit: 1800
# cells: readdir/live
import ctypes
import os
import random
import ontapfs_test as t

# READDIR_ENTRIES=1000000 is the long form.
N = int(os.environ.get("READDIR_ENTRIES", "6000"))
CHURN = 300
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "big")
here = t.CASE + "/big"
os.mkdir(behind)
for i in range(N):
    os.mknod("%s/stay%07d" % (behind, i), 0o644)
stays = {"stay%07d" % i for i in range(N)}


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_uint16),
                ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


libc = t.libc
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Dirent)
for fn in ("readdir", "closedir"):
    getattr(libc, fn).argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]

rnd = random.Random(5)
come = 0


def churn():
    """New names and removed ones, half of them by another client."""
    global come
    for _ in range(20):
        name = "come%06d" % come
        os.mknod((here if come % 2 else behind) + "/" + name, 0o644)
        come += 1
        if come > CHURN:
            os.unlink("%s/come%06d" % (behind if come % 2 else here, come - CHURN))


d = libc.opendir(here.encode())
t.ok(d, "opendir")
seen, offs, before = {}, {}, 0
step = max(N // 40, 1)
while True:
    e = libc.readdir(d)
    if not e:
        break
    name, off = e.contents.name.decode(), e.contents.off
    t.ok(name not in seen, "listed twice: " + name)
    t.ok(off not in offs, "two entries at one position: %s and %s" % (name, offs.get(off)))
    t.ok(name in stays or name in (".", "..") or name.startswith("come"), "listed, but never made: " + name)
    seen[name], offs[off] = (e.contents.ino, before), name
    before = off
    if len(seen) % step == 0:
        churn()
t.eq(len(stays - set(seen)), 0, "skipped though they stayed")
t.eq(len({seen[n][0] for n in stays}), N, "inode numbers")
# The position before an entry leads to it, or past those that are gone.
for name in rnd.sample(sorted(stays), 30):
    libc.seekdir(d, seen[name][1])
    for _ in range(CHURN + 200):
        e = libc.readdir(d)
        t.ok(e, "the end of the directory where %s should be" % name)
        if e.contents.name.decode() == name:
            break
    else:
        t.fail("%s is not where it was" % name)
    t.eq(e.contents.ino, seen[name][0], "its inode number")
libc.closedir(d)
left = {n for n in os.listdir(here) if n.startswith("stay")}
t.ok(left == stays, "a second listing")
t.run("rm", "-rf", behind, timeout=280)
