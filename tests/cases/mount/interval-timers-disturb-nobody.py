#!/usr/bin/env python3
"""Programs whose every call is interrupted by a timer of 300 us get no EINTR and no short answer; the daemon stays."""
# needs: own-mount
import ctypes
import os
import signal
import time
import ontapfs_test as t

SECONDS, WORKERS = 6, 4
libc = t.libc


class Timer(ctypes.Structure):
    _fields_ = [("every_s", ctypes.c_long), ("every_us", ctypes.c_long), ("s", ctypes.c_long), ("us", ctypes.c_long)]


for name in ("signal", "opendir", "readdir"):
    getattr(libc, name).restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.readdir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
libc.read.argtypes = libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]


def ring():
    """A timer with a handler: libc's abs, for want of a better function from int to int.
    Not Python's, whose os functions hide EINTR."""
    libc.signal(signal.SIGALRM, ctypes.cast(libc.abs, ctypes.c_void_p))
    libc.siginterrupt(signal.SIGALRM, 1)
    libc.setitimer(0, ctypes.byref(Timer(0, 300, 0, 300)), None)


def call(fn, *args):
    ctypes.set_errno(0)
    r = fn(*args)
    if r in (-1, None) and ctypes.get_errno():
        t.fail("%s: %s" % (fn.__name__, t.name_of(ctypes.get_errno())))
    return r


def work(top, w):
    end, n = time.monotonic() + SECONDS, 0
    st = ctypes.create_string_buffer(256)
    data = ctypes.create_string_buffer(b"%032d" % w * 4096, 131072)
    back = ctypes.create_string_buffer(131072)
    shared, own = os.fsencode(top + "/shared"), os.fsencode("%s/own%d" % (top, w))
    ring()
    while time.monotonic() < end:
        call(libc.stat, shared, st)
        fd = call(libc.open, own, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        t.eq(call(libc.write, fd, data, 131072), 131072, "written")
        call(libc.close, fd)
        fd = call(libc.open, own, os.O_RDONLY)
        t.eq(call(libc.read, fd, back, 131072), 131072, "read")
        t.ok(back.raw == data.raw, "content")
        call(libc.close, fd)
        d = call(libc.opendir, os.fsencode(top))
        names = 0
        while call(libc.readdir, d):
            names += 1
        libc.closedir(d)
        t.ok(names >= 203, "%d names listed" % names)
        call(libc.unlink, own)
        n += 1
    return n


with t.own_mount() as (sim, gw):
    top = gw.mnt + "/project1/d"
    os.mkdir(top)
    behind = sim.path() + "/d"
    for i in range(200):
        t.write("%s/f%03d" % (behind, i), "x")
    t.write(top + "/shared", b"x" * 100000)
    daemon = gw.process()
    pids = []
    for w in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            try:
                n = work(top, w)
                print("worker %d: %d turns" % (w, n), flush=True)
                os._exit(0 if n else 1)
            except BaseException as e:
                print("worker %d: %s" % (w, e), flush=True)
                os._exit(1)
        pids.append(pid)
    t.eq([os.waitpid(p, 0)[1] for p in pids], [0] * WORKERS, "exit of the workers")
    t.eq(gw.process(), daemon, "the daemon")
    t.ok(t.counter(t.stats(gw.mnt), "ontapfs_fuse_interrupts_total") > 100, "interrupts came through")
