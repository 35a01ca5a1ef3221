#!/usr/bin/env python3
"""Names renamed while a large directory is being listed: a path names the right file at every moment."""
import ctypes
import os
import struct
import ontapfs_test as t

N = 900
behind = os.path.join(t.STORE, os.path.basename(t.CASE))
libc = t.libc


def getdents(fd, size=4096):
    """Names of one getdents64; the kernel asks the daemon in pieces of this size."""
    buf = ctypes.create_string_buffer(size)
    n = libc.syscall(217 if os.uname().machine == "x86_64" else 61, fd, buf, size)
    if n < 0:
        raise OSError(ctypes.get_errno(), "getdents64")
    at, names = 0, []
    while at < n:
        length = struct.unpack_from("H", buf, at + 16)[0]
        names.append(ctypes.string_at(ctypes.addressof(buf) + at + 19).decode())
        at += length
    return names


class Raw:
    """Reads on in small pieces and looks at what it read, as `ls -l` does: so the
    kernel goes on asking for attributes with the names."""

    def __init__(self, top):
        self.fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        self.top = top

    def some(self):
        names = getdents(self.fd)
        for n in names:
            t.errno_of(os.stat, self.top + "/" + n)
        return names

    def close(self):
        os.close(self.fd)


class Scan:
    def __init__(self, top):
        self.it = os.scandir(top)

    def some(self):
        names = []
        for e in self.it:
            names.append(e.name)
            t.errno_of(e.stat)
            if len(names) == 50:
                break
        return names

    def close(self):
        self.it.close()


def one(how, top, store):
    os.mkdir(store)
    os.chmod(store, 0o777)
    # A file is told by its size; the model says which size a name has.
    size = {}
    for i in range(N):
        name = "file-%03d" % i
        t.write("%s/%s" % (store, name), b"x" * (i + 1))
        size[name] = i + 1
    model = dict(size)
    d = how(top)
    seen = []
    for _ in range(3):
        seen += d.some()
    rest = sorted(set(model) - set(seen))
    t.ok(len(rest) > 300, "only half read: %d of %d left" % (len(rest), N))
    touched = []
    # Rings of three names, spread over what the listing has not shown yet.
    for k in range(0, len(rest) - 3, max(3, len(rest) // 60)):
        a, b, c = rest[k:k + 3]
        for old, new in ((a, "tmp"), (b, a), (c, b), ("tmp", c)):
            os.rename("%s/%s" % (top, old), "%s/%s" % (top, new))
        model[a], model[b], model[c] = model[b], model[c], model[a]
        touched += [a, b, c]
    while True:
        more = d.some()
        if not more:
            break
        seen += more
    d.close()
    t.ok({x for x in rest if x not in touched} <= set(seen), "nothing that stayed is skipped")
    # Without a pause: whatever the listing left in the kernel is still valid to it.
    for name in touched:
        t.eq(os.stat("%s/%s" % (top, name)).st_size, model[name], "stat of " + name)
    for k, name in enumerate(touched):
        path = "%s/%s" % (top, name)
        if k % 3 == 0:
            os.truncate(path, 10000 + model[name])
            model[name] += 10000
        elif k % 3 == 1:
            os.chmod(path, 0o600)
        else:
            t.write(path, b"y" * 7, os.O_WRONLY | os.O_APPEND)
            model[name] += 7
    for name, want in model.items():
        st = os.stat("%s/%s" % (store, name))
        t.eq(st.st_size, want, "size of %s at the server" % name)
        t.eq(st.st_mode & 0o777, 0o600 if name in touched and touched.index(name) % 3 == 1 else 0o644,
             "mode of %s at the server" % name)


for how in (Raw, Scan):
    for turn in range(2):
        one(how, "%s/%s%d" % (t.CASE, how.__name__, turn), "%s/%s%d" % (behind, how.__name__, turn))
