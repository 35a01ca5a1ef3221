#!/usr/bin/env python3
"""mkdir, rmdir, nlink, dot entries, removal of full and missing ones."""
# cells: mkdir/live rmdir/live
import errno
import os
import ontapfs_test as t

c = t.CASE
os.mkdir(c + "/d")
t.expect(errno.EEXIST, os.mkdir, c + "/d")
t.expect(errno.ENOENT, os.mkdir, c + "/x/y")
t.expect(errno.ENOENT, os.rmdir, c + "/x")
t.write(c + "/d/f", "x")
t.expect(errno.ENOTEMPTY, os.rmdir, c + "/d")
t.expect(errno.ENOTDIR, os.rmdir, c + "/d/f")
t.expect(errno.EISDIR, os.unlink, c + "/d")
t.expect(errno.ENOTDIR, os.mkdir, c + "/d/f/g")
os.unlink(c + "/d/f")
os.rmdir(c + "/d")
t.expect(errno.ENOENT, os.stat, c + "/d")
# A removed working directory answers, it does not break.
os.mkdir(c + "/cwd")
os.chdir(c + "/cwd")
os.rmdir(c + "/cwd")
t.expect((errno.ENOENT, errno.ESTALE), os.mkdir, "new")
t.ok(t.errno_of(os.listdir, ".") in (0, errno.ENOENT, errno.ESTALE), "listing of a removed directory")
os.chdir("/")
dots = t.run("ls", "-a", c).stdout.split()
t.eq(dots, [".", ".."], "ls -a of an empty directory")
