#!/usr/bin/env python3
"""Another host writes, truncates, appends, renames, unlinks, replaces, chmods, makes and removes: seen by the next open, stat and listing here, on a second mount and when done on the server itself; what is open follows its file."""
# cells: readdir/live rename/live unlink/live
import errno
import os
import ontapfs_test as t

HERE = "project1/" + os.path.basename(t.CASE)


def late(cond, what):
    """Attributes and names may be attr_timeout (1 s) old."""
    t.wait_for(cond, what, 30)


def round_of(mine, theirs, n):
    """mine: our directory; theirs: the same one, by the eyes of another host."""
    f, g = mine + "/f%d" % n, theirs + "/f%d" % n
    t.write(f, "one")
    t.eq(t.read(g), b"one", "our file, there")
    held = os.open(f, os.O_RDONLY)
    # A new open sees new bytes and the new size, however short or long.
    for data in (b"two", b"long" * 50000, b"", b"end"):
        t.write(g, data)
        t.ok(t.read(f) == data, "rewritten there, %d bytes" % len(data))
        late(lambda d=data: os.fstat(held).st_size == len(d), "the open file's size")
    os.truncate(g, 70000)
    t.eq(t.read(f), b"end" + b"\0" * 69997, "grown by truncate there")
    os.truncate(g, 2)
    t.eq(t.read(f), b"en", "cut there")
    t.write(g, b"d+", os.O_WRONLY | os.O_APPEND)
    t.write(f, b"mine", os.O_WRONLY | os.O_APPEND)
    t.eq((t.read(f), t.read(g)), (b"end+mine", b"end+mine"), "appended in turn")
    os.chmod(g, 0o604)
    late(lambda: os.stat(f).st_mode & 0o777 == 0o604, "the mode")
    os.utime(g, ns=(10 ** 18 + 1, 10 ** 18 + 7))
    late(lambda: os.stat(f).st_mtime_ns == 10 ** 18 + 7, "mtime")
    # Replaced: the next open is the new file, the open one stays the old.
    old = os.stat(f).st_ino
    t.write(theirs + "/tmp", "replaced")
    os.rename(theirs + "/tmp", g)
    t.eq(t.read(f), b"replaced", "by the next open")
    late(lambda: os.stat(f).st_ino != old, "another inode number")
    os.close(held)
    # Renamed: gone from its old name, there under its new one at once, the open file follows.
    held = os.open(f, os.O_RDWR)
    os.rename(g, theirs + "/moved%d" % n)
    t.eq(t.read(mine + "/moved%d" % n), b"replaced", "under its new name")
    late(lambda: t.errno_of(os.stat, f) == errno.ENOENT, "its old name to go")
    os.pwrite(held, b"R", 0)
    t.eq(t.read(theirs + "/moved%d" % n), b"Replaced", "written through the open file")
    # Unlinked there while open here: nobody keeps it for us, ESTALE and never other bytes. (Ganesha may have the
    # file open itself, and so keep it.)
    gone = (0, errno.ESTALE) if t.SIM_NFS == "ganesha" else (errno.ESTALE,)
    os.unlink(theirs + "/moved%d" % n)
    t.expect(errno.ENOENT, os.open, mine + "/moved%d" % n, os.O_RDONLY)
    t.ok(t.errno_of(os.pwrite, held, b"x", 0) in gone, "the open file's server side is gone")
    t.write(g, "another")
    t.ok(t.errno_of(os.pwrite, held, b"x", 0) in gone, "also with a new file of that name")
    os.close(held)
    t.eq(t.read(f), b"another", "the new file")
    # Directories.
    os.mkdir(theirs + "/d%d" % n)
    t.write(mine + "/d%d/in" % n, "x")
    t.ok("d%d" % n in os.listdir(mine), "listed")
    os.rename(theirs + "/d%d" % n, theirs + "/e%d" % n)
    t.eq(os.listdir(mine + "/e%d" % n), ["in"], "a directory that was moved")
    os.unlink(theirs + "/e%d/in" % n)
    os.rmdir(theirs + "/e%d" % n)
    late(lambda: "e%d" % n not in os.listdir(mine), "it to leave the listing")
    late(lambda: t.errno_of(os.stat, mine + "/e%d" % n) == errno.ENOENT, "it to go")
    os.symlink("a", g + "l")
    t.eq(os.readlink(f + "l"), "a", "a link")
    os.unlink(g + "l")
    os.symlink("b", g + "l")
    late(lambda: os.readlink(f + "l") == "b", "the link's new target")


# The shared mount has the default attr_timeout, this one none.
with t.second_mount("attr_timeout=0") as other:
    second = os.path.join(other.mnt, HERE)
    round_of(second, t.CASE, 0)
    round_of(second, os.path.join(t.STORE, os.path.basename(t.CASE)), 1)
    round_of(t.CASE, second, 2)
