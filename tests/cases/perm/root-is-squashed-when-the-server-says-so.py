#!/usr/bin/env python3
"""The server authorises every credential, root included. With root squashed, data that A mapped or B inherited is still written as A."""
# needs: own-mount
import errno
import mmap
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    d = gw.mnt + "/project1/d"
    os.mkdir(d)
    os.chown(d, t.A, t.A)
    os.chmod(d, 0o755)
    f = d + "/f"
    t.run_as(t.A, t.A, t.write, f, b"a" * 8192, os.O_WRONLY | os.O_CREAT, 0o600)
    t.rest_export_rules({"superuser": ["none"]}, sim.dir)

    def denied():
        return t.errno_of(os.open, f, os.O_RDONLY) == errno.EACCES
    t.wait_for(denied, "root to be refused by the server", 10)

    def mapped():
        fd = os.open(f, os.O_RDWR)
        m = mmap.mmap(fd, 8192)
        os.close(fd)
        m[0:6] = b"mapped"
        m[5000:5006] = b"mapped"
        m.flush()  # the kernel writes back as uid 0, pid 0
        m[100:105] = b"later"
        m.close()  # written back after the unmap
    t.run_as(t.A, t.A, mapped)
    want = bytearray(b"a" * 8192)
    want[0:6] = want[5000:5006] = b"mapped"
    want[100:105] = b"later"
    behind = sim.path("project1") + "/d/f"
    t.run("sync", "-f", d)
    t.eq(t.read(behind), bytes(want), "written back as A")
    t.expect(errno.EACCES, t.read, f)
