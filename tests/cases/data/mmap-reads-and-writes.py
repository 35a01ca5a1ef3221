#!/usr/bin/env python3
"""Mapped files: private and shared, visible to readers, kept after msync, in the next snapshot."""
import mmap
import os
import ontapfs_test as t

f = t.CASE + "/f"
size = 3 * 1024 * 1024 + 100
data = os.urandom(size)
t.write(f, data)
with open(f, "rb") as g, mmap.mmap(g.fileno(), 0, prot=mmap.PROT_READ) as m:
    t.eq(m[:], data, "mapped for reading")
with open(f, "r+b") as g:
    m = mmap.mmap(g.fileno(), 0)
    m[10:20] = b"0123456789"
    m[size - 5:size] = b"55555"
    m.flush()
    want = bytearray(data)
    want[10:20], want[size - 5:] = b"0123456789", b"55555"
    t.eq(t.read(os.path.join(t.STORE, os.path.basename(t.CASE), "f")), bytes(want), "the server has it after msync")
    t.eq(t.read(f), bytes(want), "a reader sees it")
    t.take()
    t.eq(t.read(t.in_snap() + "/f"), bytes(want), "and the snapshot")
    m[0:4] = b"last"
    m.close()
want[0:4] = b"last"
t.wait_for(lambda: t.read(f) == bytes(want), "bytes after the unmap", 10)
t.run("sync", "-f", f)
t.eq(t.read(os.path.join(t.STORE, os.path.basename(t.CASE), "f")), bytes(want), "the server after sync")
t.eq(os.stat(f).st_size, size, "the size did not grow to a page")
with open(t.in_snap() + "/f", "rb") as g, mmap.mmap(g.fileno(), 0, prot=mmap.PROT_READ) as m:
    t.eq(m[:4], data[:4], "a snapshot mapped")
