#!/usr/bin/env python3
"""Close-to-open: a file that another client made longer, shorter or other is read whole and true by the next open."""
import os
import ontapfs_test as t

f = t.CASE + "/f"
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "f")
t.write(f, "a" * 5000)
t.eq(len(t.read(f)), 5000, "our own bytes")
for n in (5001, 70000, 3, 200000, 0, 10):
    t.write(behind, bytes([65 + n % 26]) * n)
    t.eq(t.read(f), bytes([65 + n % 26]) * n, "after another client wrote %d bytes" % n)
with open(behind, "ab") as g:
    g.write(b"tail")
t.eq(t.read(f)[-4:], b"tail", "after it appended")
# Same size, other bytes.
t.write(behind, b"1" * 4096)
t.eq(t.read(f), b"1" * 4096, "first")
t.write(behind, b"2" * 4096)
t.eq(t.read(f), b"2" * 4096, "same size, other bytes")
