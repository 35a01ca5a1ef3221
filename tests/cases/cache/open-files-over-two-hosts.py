#!/usr/bin/env python3
"""A file that is open on one host, removed or replaced there: readable to its last close, by every process of that host, while the other host sees it gone or the new one; a .nfsX there is left alone."""
# cells: silly-names
import errno
import os
import ontapfs_test as t

with t.second_mount() as other:
    mine, theirs = t.CASE, os.path.join(other.mnt, "project1", os.path.basename(t.CASE))
    data = os.urandom(200000)
    t.write(mine + "/gone", data)
    t.write(mine + "/replaced", data)
    t.eq(t.read(theirs + "/gone"), data, "there")
    a, b = os.open(mine + "/gone", os.O_RDWR), os.open(mine + "/replaced", os.O_RDONLY)
    os.unlink(mine + "/gone")
    t.write(mine + "/new", "new")
    os.rename(mine + "/new", mine + "/replaced")
    t.expect(errno.ENOENT, os.open, theirs + "/gone", os.O_RDONLY)
    t.eq(t.read(theirs + "/replaced"), b"new", "the new file, there")
    private = [n for n in os.listdir(theirs) if n.startswith(".nfs")]
    t.eq(len(private), 2, "two files wait for their last close")
    # A new file of the same name there is another one.
    t.write(theirs + "/gone", "theirs")
    os.pwrite(a, b"still", 100)
    t.eq((os.pread(a, 200, 0), os.pread(b, 200000, 0)), (data[:100] + b"still" + data[105:200], data), "what is open")
    t.eq(os.fstat(a).st_size, 200000, "its size")
    os.close(a)
    os.close(b)
    t.wait_for(lambda: not [n for n in os.listdir(theirs) if n.startswith(".nfs")], "the private names to go", 30)
    t.eq((t.read(theirs + "/gone"), t.read(mine + "/gone")), (b"theirs", b"theirs"), "what was made there stays")
    # The other way round it is the other host's open file that loses its name: NFSv3 tells us nothing of it.
    fd = os.open(theirs + "/replaced", os.O_RDONLY)
    t.write(mine + "/new", "newer")
    os.rename(mine + "/new", mine + "/replaced")
    t.ok(t.errno_of(os.fstat, fd) in (0, errno.ESTALE), "never anything else")
    t.ok(t.errno_of(os.pread, fd, 10, 0) == errno.ESTALE or os.pread(fd, 10, 0) == b"new", "nor other bytes")
    os.close(fd)
    t.eq(t.read(theirs + "/replaced"), b"newer", "by the next open")
