#!/usr/bin/env python3
"""Of 512 reserved ports 32 are free, as on a host of many NFS mounts: a mount that the server wants to come from one finds one, every time."""
# needs: own-mount
import ctypes
import errno
import fcntl
import os
import socket
import struct
import ontapfs_test as t

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1
FREE = range(640, 672)

# A network of its own: others need their ports.
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(CLONE_NEWNET):
    t.fail("unshare: " + os.strerror(ctypes.get_errno()))
held = [socket.socket()]
fcntl.ioctl(held[0], SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
for port in set(range(512, 1024)) - set(FREE):
    s = socket.socket()
    s.bind(("", port))
    held.append(s)
t.expect(errno.EADDRINUSE, socket.socket().bind, ("", 1000))

with t.own_sim() as sim:
    for i in range(4):
        with t.Gateway(sim.backend, t.WORK + "/m%d" % i) as g:
            t.write(g.mnt + "/project1/f%d" % i, "x")
            t.eq(t.read(g.mnt + "/project1/f%d" % i), b"x", "what was written")
