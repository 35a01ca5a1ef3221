"""One system call by name; prints the errno's name, or `success`.

    op.py [--as UID:GID[:GROUP,...]] OP ARGS...

For shell cases: tools translate and hide errnos, this one does not.
"""
import errno
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ontapfs_test as t  # noqa: E402


def _open(path, flags="r"):
    how = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR, "creat": os.O_WRONLY | os.O_CREAT,
           "excl": os.O_WRONLY | os.O_CREAT | os.O_EXCL, "trunc": os.O_WRONLY | os.O_TRUNC,
           "dir": os.O_RDONLY | os.O_DIRECTORY}[flags]
    os.close(os.open(path, how, 0o644))


OPS = {
    "mkdir": os.mkdir, "rmdir": os.rmdir, "unlink": os.unlink, "rename": os.rename, "link": os.link,
    "symlink": os.symlink, "readlink": os.readlink, "stat": os.stat, "lstat": os.lstat, "listdir": os.listdir,
    "mkfifo": os.mkfifo, "open": _open, "create": lambda p: _open(p, "excl"),
    "truncate": lambda p, n="0": os.truncate(p, int(n)), "chmod": lambda p, m: os.chmod(p, int(m, 8)),
    "chown": lambda p, u, g: os.chown(p, int(u), int(g)), "utime": lambda p: os.utime(p),
    "setxattr": lambda p, n, v: os.setxattr(p, n, v.encode()), "getxattr": os.getxattr,
    "removexattr": os.removexattr, "statvfs": os.statvfs, "access": lambda p, m: _access(p, m),
    "rename_noreplace": lambda a, b: t.renameat2(a, b, t.RENAME_NOREPLACE),
    "rename_exchange": lambda a, b: t.renameat2(a, b, t.RENAME_EXCHANGE),
}


def _access(path, mode):
    if not os.access(path, {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}[mode]):
        raise OSError(errno.EACCES, "access")


def main(args):
    if args and args[0] == "--as":
        ids = args[1].split(":")
        os.setgroups([int(g) for g in ids[2].split(",")] if len(ids) > 2 and ids[2] else [])
        os.setresgid(int(ids[1]), int(ids[1]), int(ids[1]))
        os.setresuid(int(ids[0]), int(ids[0]), int(ids[0]))
        args = args[2:]
    try:
        OPS[args[0]](*args[1:])
    except OSError as e:
        print(t.name_of(e.errno))
        return
    print("success")


main(sys.argv[1:])
