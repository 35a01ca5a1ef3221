#!/usr/bin/env python3
"""A file that is open here lives on when it is removed or replaced; after its last close nothing is left at the server."""
# cells: silly-names unlink/live
import os
import ontapfs_test as t

c, behind = t.CASE, os.path.join(t.STORE, os.path.basename(t.CASE))
t.write(c + "/f", b"x" * 100000)
fd = os.open(c + "/f", os.O_RDWR)
os.unlink(c + "/f")
t.ok(not os.path.exists(c + "/f"), "the name is gone")
t.eq(os.pread(fd, 200000, 0), b"x" * 100000, "still readable")
os.pwrite(fd, b"written", 100000)
os.ftruncate(fd, 100003)
t.eq((os.fstat(fd).st_size, os.pread(fd, 10, 99999)), (100003, b"xwri"), "still writable")
t.write(c + "/f", "another")
t.eq(t.read(c + "/f"), b"another", "the name may be used again")
t.eq(os.pread(fd, 3, 0), b"xxx", "and is another file")
os.close(fd)

# Replaced by rename while open.
t.write(c + "/old", "old content")
t.write(c + "/new", "new content")
fd = os.open(c + "/old", os.O_RDONLY)
os.rename(c + "/new", c + "/old")
t.eq(t.read(c + "/old"), b"new content", "the new one by name")
t.eq(os.pread(fd, 100, 0), b"old content", "the old one by descriptor")
os.close(fd)

# Two descriptors, the last one counts; removed by another user's process.
t.write(c + "/two", "two")
a, b = os.open(c + "/two", os.O_RDONLY), os.open(c + "/two", os.O_RDONLY)
os.unlink(c + "/two")
os.close(a)
t.eq(os.pread(b, 10, 0), b"two", "the second descriptor")
os.close(b)

# With another hard link there is nothing to hide.
t.write(c + "/h1", "hard")
os.link(c + "/h1", c + "/h2")
fd = os.open(c + "/h1", os.O_RDONLY)
os.unlink(c + "/h1")
t.eq(os.pread(fd, 10, 0), b"hard", "a hard-linked one")
os.close(fd)
t.wait_for(lambda: not [n for n in os.listdir(behind) if n.startswith(".nfs")], "no .nfs file at the server", 10)
t.eq(sorted(os.listdir(c)), ["f", "h2", "old"], "what is left")
