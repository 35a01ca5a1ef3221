#!/usr/bin/env python3
"""Names are bytes: spaces, newlines, quotes, UTF-8, bytes that are no UTF-8, 255 bytes; 256 is ENAMETOOLONG."""
import errno
import os
import ontapfs_test as t

c = os.fsencode(t.CASE)
names = [b"with space", b" lead", b"trail ", b"new\nline", b"tab\t", b"quote'\"\\", b"*?[", b"-rf", b"~", b"#", b"..x",
         "gr\u00fc\u00dfe \u65e5\u672c \U0001f600".encode(), b"\xff\xfe latin \xe9", b"n" * 255, b".hidden", b"a", b"A",
         b".nfs1234", b"con", b"a:b", b"%41", b"@x", b"project1@x"]
for i, n in enumerate(names):
    t.write(c + b"/" + n, b"%d" % i)
t.eq(sorted(os.listdir(c)), sorted(names), "names listed")
t.take()
s = os.fsencode(t.in_snap())
t.eq(sorted(os.listdir(s)), sorted(names), "names listed in the snapshot")
for i, n in enumerate(names):
    t.eq(t.read(c + b"/" + n), b"%d" % i, "content of %r" % n)
    t.eq(t.read(s + b"/" + n), b"%d" % i, "content of %r in the snapshot" % n)
for n in names:
    os.rename(c + b"/" + n, c + b"/moved")
    os.rename(c + b"/moved", c + b"/" + n)
    os.unlink(c + b"/" + n)
t.eq(os.listdir(c), [], "all are removed")
long = c + b"/" + b"n" * 256
for fn, args in ((os.stat, (long,)), (os.mkdir, (long,)), (os.open, (long, os.O_CREAT | os.O_WRONLY)),
                 (os.symlink, (b"x", long)), (os.unlink, (long,)), (os.rename, (c, long))):
    t.expect(errno.ENAMETOOLONG, fn, *args)
deep = t.CASE
for _ in range(30):
    deep += "/" + "d" * 100
    os.mkdir(deep)
t.write(deep + "/f", "deep")
t.eq(t.read(deep + "/f"), b"deep", "a path of 3,000 bytes")
