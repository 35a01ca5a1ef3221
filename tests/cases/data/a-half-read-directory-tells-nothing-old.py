#!/usr/bin/env python3
"""Names renamed while a large directory is being listed: a path names the right file at every moment."""
import ctypes
import itertools
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
    """Reads on in small pieces."""

    def __init__(self, top):
        self.fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)

    def some(self):
        return getdents(self.fd)

    def close(self):
        os.close(self.fd)


class Scan:
    def __init__(self, top):
        self.it = os.scandir(top)

    def some(self):
        return [e.name for e in itertools.islice(self.it, 50)]

    def close(self):
        self.it.close()


def one(how, top, store):
    os.mkdir(store)
    os.chmod(store, 0o777)
    # A file is told by its size; the model says which size a name has.
    model = {}
    for i in range(N):
        name = "file-%03d" % i
        t.write("%s/%s" % (store, name), b"x" * (i + 1))
        model[name] = i + 1
    d = how(top)
    seen = set()

    def some():
        names = d.some()
        # Looking at each, as `ls -l` does, has the kernel ask for attributes with the names.
        for n in names:
            if n in model:
                t.eq(os.stat("%s/%s" % (top, n)).st_size, model[n], "stat of %s while listing" % n)
        seen.update(names)
        return names

    for _ in range(3):
        some()
    rest = sorted(set(model) - seen)
    t.ok(len(rest) > 300, "only half read: %d of %d left" % (len(rest), N))
    touched = {}
    # Rings of three names, spread over what the listing has not shown yet.
    for k in range(0, len(rest) - 3, max(3, len(rest) // 60)):
        a, b, c = rest[k:k + 3]
        for old, new in ((a, "tmp"), (b, a), (c, b), ("tmp", c)):
            os.rename("%s/%s" % (top, old), "%s/%s" % (top, new))
        model[a], model[b], model[c] = model[b], model[c], model[a]
        touched.update({a: "truncated", b: "private", c: "longer"})
    while some():
        pass
    d.close()
    t.ok({x for x in rest if x not in touched} <= seen, "nothing that stayed is skipped")
    for name, how_ in touched.items():
        path = "%s/%s" % (top, name)
        if how_ == "truncated":
            os.truncate(path, 10000 + model[name])
            model[name] += 10000
        elif how_ == "private":
            os.chmod(path, 0o600)
        else:
            t.write(path, b"y" * 7, os.O_WRONLY | os.O_APPEND)
            model[name] += 7
    for name, want in model.items():
        st = os.stat("%s/%s" % (store, name))
        t.eq((st.st_size, oct(st.st_mode)[-3:]), (want, "600" if touched.get(name) == "private" else "644"),
             "size and mode of %s at the server" % name)


for how in (Raw, Scan):
    one(how, "%s/%s" % (t.CASE, how.__name__), "%s/%s" % (behind, how.__name__))
