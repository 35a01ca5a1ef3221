#!/usr/bin/env python3
"""rename replaces, also directories; NOREPLACE works for files; EXCHANGE and WHITEOUT are EINVAL, never ignored."""
# cells: rename/live rename-flags
import errno
import os
import ontapfs_test as t

c = t.CASE
t.write(c + "/a", "a")
t.write(c + "/b", "b")
os.rename(c + "/a", c + "/b")
t.eq((t.read(c + "/b"), os.path.exists(c + "/a")), (b"a", False), "replaced")
t.write(c + "/a", "again")
t.expect(errno.EEXIST, t.renameat2, c + "/a", c + "/b", t.RENAME_NOREPLACE)
t.eq((t.read(c + "/a"), t.read(c + "/b")), (b"again", b"a"), "after EEXIST nothing changed")
t.renameat2(c + "/a", c + "/n", t.RENAME_NOREPLACE)
t.eq((t.read(c + "/n"), os.path.exists(c + "/a"), os.stat(c + "/n").st_nlink), (b"again", False, 1), "NOREPLACE of a file")
for flag in (t.RENAME_EXCHANGE, t.RENAME_WHITEOUT):
    t.expect(errno.EINVAL, t.renameat2, c + "/n", c + "/b", flag)
os.makedirs(c + "/d1/x")
os.mkdir(c + "/d2")
os.mkdir(c + "/d3")
t.expect(errno.EINVAL, t.renameat2, c + "/d3", c + "/d4", t.RENAME_NOREPLACE)
os.rename(c + "/d1", c + "/d2")
t.ok(os.path.isdir(c + "/d2/x") and not os.path.exists(c + "/d1"), "an empty directory is replaced")
t.expect((errno.ENOTEMPTY, errno.EEXIST), os.rename, c + "/d3", c + "/d2")
t.expect(errno.EISDIR, os.rename, c + "/n", c + "/d3")
t.expect(errno.ENOTDIR, os.rename, c + "/d3", c + "/n")
t.expect(errno.EINVAL, os.rename, c + "/d2", c + "/d2/x/inside")
t.expect(errno.ENOENT, os.rename, c + "/nothing", c + "/x")
os.rename(c + "/n", c + "/n")
# An open directory or file goes along.
fd = os.open(c + "/n", os.O_RDONLY)
os.rename(c + "/n", c + "/d2/x/n")
t.eq(os.pread(fd, 10, 0), b"again", "open while renamed to another directory")
os.close(fd)
t.eq(t.read(c + "/d2/x/n"), b"again", "under its new name")
