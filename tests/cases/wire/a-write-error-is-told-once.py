#!/usr/bin/env python3
"""ENOSPC, EDQUOT, EFBIG, EROFS, EIO and ESTALE of the server reach who writes: by write itself, buffered, direct, O_SYNC or appending, by msync, fsync or close of what was mapped, once; fsync and close then are well, and so is the next write, and no byte of what failed is there."""
# needs: own-mount
# cells: write/live
import ctypes
import errno
import mmap
import os
import ontapfs_test as t

TABLE = (("NOSPC", errno.ENOSPC), ("DQUOT", errno.EDQUOT), ("FBIG", errno.EFBIG), ("ROFS", errno.EROFS), ("IO", errno.EIO),
         ("STALE", errno.ESTALE), ("ACCES", errno.EACCES))
WAYS = (("buffered", 0), ("direct", os.O_DIRECT), ("synchronous", os.O_SYNC), ("appending", os.O_APPEND))
PAGE = 4096
libc = t.libc
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def mapped(fd):
    """Python's own mappings hold a descriptor more, whose close would take the error."""
    at = libc.mmap(None, len(SYNCS) * PAGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
    t.ok(at != ctypes.c_void_p(-1).value, "mmap")
    return at


def msync(_, at):
    if libc.msync(at, PAGE, 4):  # MS_SYNC
        raise OSError(ctypes.get_errno(), "msync")


SYNCS = (("msync", msync), ("fsync", lambda fd, _: os.fsync(fd)), ("close", lambda fd, _: os.close(fd)))

with t.proxied_mount("attr_timeout=0") as (sim, gw, proxy):
    v, store = gw.mnt + "/project1", sim.path()
    buf = mmap.mmap(-1, 64 * PAGE)

    def once(fn, name, want, what):
        """fn fails by this error of one WRITE, which is asked for once."""
        hits = proxy.seen("hits")
        proxy.tell("on WRITE call status %s count 1" % name)
        t.eq(t.name_of(t.errno_of(fn)), t.name_of(want), what)
        t.eq(proxy.seen("hits"), hits + 1, what + ": the rule applied")
        proxy.tell("clear")

    for name, want in TABLE:
        for way, flags in WAYS:
            what, path = "%s, %s" % (name, way), "%s/%s-%s" % (v, name, way)
            t.write(path, b"o" * PAGE)
            fd = os.open(path, os.O_RDWR | flags)
            buf[:] = b"n" * len(buf)
            once(lambda fd=fd: os.pwritev(fd, [memoryview(buf)[:PAGE]], PAGE), name, want, what)
            t.eq((t.errno_of(os.fsync, fd), os.fstat(fd).st_size), (0, PAGE), what + ": fsync, size")
            t.eq(t.read(path), b"o" * PAGE, what + ": no page of it is left in the cache")
            t.eq(os.pwritev(fd, [memoryview(buf)[:PAGE]], PAGE), PAGE, what + ": the next write")
            t.eq(t.errno_of(os.close, fd), 0, what + ": close")
            t.ok(t.read(path) == t.read("%s/%s-%s" % (store, name, way)) == b"o" * PAGE + b"n" * PAGE, what + ": bytes")
        # Over what is cached: the old bytes stay.
        path = "%s/%s-over" % (v, name)
        t.write(path, b"o" * 3 * PAGE)
        t.eq(len(t.read(path)), 3 * PAGE, "cached")
        fd = os.open(path, os.O_RDWR)
        once(lambda fd=fd: os.pwrite(fd, b"n" * 100, PAGE), name, want, name + ", over a cached page")
        os.close(fd)
        t.eq(t.read(path), b"o" * 3 * PAGE, name + ": what was overwritten, by the next open")
        t.eq(t.read("%s/%s-over" % (store, name)), b"o" * 3 * PAGE, name + ": at the server")

        # A mapping: by whoever syncs first, msync, fsync or close; to nobody afterwards. Each way has its page.
        path = "%s/%s-mapped" % (v, name)
        t.write(path, b"o" * len(SYNCS) * PAGE)
        for i, (way, sync) in enumerate(SYNCS):
            fd, what = os.open(path, os.O_RDWR), "%s, mapped, %s" % (name, way)
            at = mapped(fd)
            # Of what a close finds by itself the kernel keeps whether it was ENOSPC, no more.
            told = want if way != "close" or want == errno.ENOSPC else errno.EIO
            # No other process may begin between store and sync: a child that closes our descriptor syncs, too.
            once(lambda a=at + i * PAGE, s=sync, f=fd: (ctypes.memmove(a, b"lost", 4), s(f, a)), name, told, what)
            if way != "close":
                t.eq((t.errno_of(os.fsync, fd), t.errno_of(os.fsync, fd)), (0, 0), what + ": fsync after it")
                ctypes.memmove(at + i * PAGE, b"kept", 4)
                t.eq(t.errno_of(sync, fd, at + i * PAGE), 0, what + ": the next one")
                os.close(fd)
            libc.munmap(at, len(SYNCS) * PAGE)
        got = t.read("%s/%s-mapped" % (store, name))
        t.eq([got[i * PAGE:i * PAGE + 4] for i in range(len(SYNCS))], [b"kept", b"kept", b"oooo"], name + ": at the server")
