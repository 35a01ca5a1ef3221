#!/usr/bin/env python3
"""Deleted and made again on host A: host B reads the frozen bytes, ESTALE, or the new ones, never a mixture, and ends with the new ones."""
import errno
import os
import ontapfs_test as t

old, new = b"old-" * 50000, b"new+" * 50000
t.write(t.CASE + "/f", old)
p = t.take("a")
with t.second_mount() as b:
    bf = t.in_snap("a", mnt=b.mnt) + "/f"
    t.eq(t.read(bf), old, "B reads the first one")
    held = os.open(bf, os.O_RDONLY)
    t.drop(p)
    t.write(t.CASE + "/f", new)
    t.take("a")
    t.eq(t.read(t.in_snap("a") + "/f"), new, "A reads the second one")

    def b_sees():
        try:
            got = t.read(bf)
        except OSError as e:
            t.ok(e.errno in (errno.ESTALE, errno.ENOENT), "B got " + t.name_of(e.errno))
            return False
        t.ok(got in (old, new), "B reads a mixture")
        return got == new
    t.wait_for(b_sees, "B to notice", 20)
    for _ in range(20):
        t.eq(t.read(bf), new, "B after it noticed")
    try:
        t.eq(os.pread(held, len(old), 0), old, "B's old descriptor")
    except OSError as e:
        t.eq(e.errno, errno.ESTALE, "B's old descriptor")
    os.close(held)
