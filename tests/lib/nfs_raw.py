"""An NFSv3 client of a few calls: what the server itself says to a credential,
without a kernel, a cache or ontapfs in between (RFC 1813, RFC 5531)."""
import contextlib
import os
import socket
import struct
import ontapfs_test as t

NFS, MOUNT = (100003, 3), (100005, 3)
READ, LOOKUP, MODIFY, EXTEND = 1, 2, 4, 8  # rights of ACCESS


def opaque(data):
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def privileged(address):
    """A connection from a port that only root has, as an export policy may want for MOUNT."""
    for port in range(1023, 600, -1):
        with contextlib.suppress(OSError):
            return socket.create_connection(address, 30, ("", port))
    return t.fail("no privileged port is free")


def auth_sys(uid, gid, groups):
    body = struct.pack(">I", 0) + opaque(b"test") + struct.pack(">III", uid, gid, len(groups))
    body += b"".join(struct.pack(">I", g) for g in groups)
    return struct.pack(">I", 1) + opaque(body) + struct.pack(">II", 0, 0)


def receive(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        t.ok(part, "the server hung up")
        data += part
    return data


def call(s, program, proc, cred, args):
    """One call and its reply: (status, what follows it)."""
    msg = struct.pack(">IIIIII", 1, 0, 2, *program, proc) + cred + args
    s.sendall(struct.pack(">I", 0x80000000 | len(msg)) + msg)
    reply, last = b"", False
    while not last:
        head = struct.unpack(">I", receive(s, 4))[0]
        last, reply = head >> 31, reply + receive(s, head & 0x7fffffff)
    kind, stat, _, verf = struct.unpack(">IIII", reply[4:20])
    at = 20 + verf + -verf % 4
    accepted, status = struct.unpack(">II", reply[at:at + 8])
    t.eq((kind, stat, accepted), (1, 0, 0), "the call was accepted")
    return status, reply[at + 8:]


class Server:
    """A simulator's NFS server, and the root handles of its volumes."""

    def __init__(self, sim):
        b = t.backend(sim.dir)["ontapfs"]
        lifs = t.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address", sim=sim.dir)[1]["records"]
        self.address = lifs[0]["ip"]["address"]
        self.port, self.mount_port = b["nfsPort"], b["mountPort"]
        self.roots = {}

    def root(self, volume):
        if volume not in self.roots:
            with privileged((self.address, self.mount_port)) as s:
                status, data = call(s, MOUNT, 1, auth_sys(0, 0, ()), opaque(b"/" + volume.encode()))
            t.eq(status, 0, "MNT of " + volume)
            self.roots[volume] = data[4:4 + struct.unpack(">I", data[:4])[0]]
        return self.roots[volume]


class Client:
    """One user, by AUTH_SYS. Paths begin with the volume's name; links are not followed. What was
    looked up once is not looked up again."""

    def __init__(self, server, uid, gid, groups=()):
        self.server, self.cred, self.known = server, auth_sys(uid, gid, groups), {}
        self.sock = socket.create_connection((server.address, server.port), 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _call(self, proc, args):
        """What follows the status; OSError with it, which is an errno below 100, when it is an error."""
        status, data = call(self.sock, NFS, proc, self.cred, args)
        if status:
            raise OSError(status, os.strerror(status))
        return data

    def lookup(self, path):
        """The handle that LOOKUPs lead to, one for each name."""
        if "/" not in path:
            return self.server.root(path)
        if path not in self.known:
            parent, name = path.rsplit("/", 1)
            data = self._call(3, opaque(self.lookup(parent)) + opaque(name.encode()))
            self.known[path] = data[4:4 + struct.unpack(">I", data[:4])[0]]
        return self.known[path]

    def access(self, path, want):
        """The rights of `want` that this user has there."""
        data = self._call(4, opaque(self.lookup(path)) + struct.pack(">I", want))
        data = data[88:] if data[:4] == b"\0\0\0\1" else data[4:]  # attributes, if it tells them
        return struct.unpack(">I", data[:4])[0]

    def fileid(self, path):
        """The number by which the server tells this file from others."""
        return struct.unpack(">Q", self._call(1, opaque(self.lookup(path)))[52:60])[0]
