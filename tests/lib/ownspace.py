"""A mount name space of one's own, for runs that take long.

Whoever makes a name space while such a run is on (a container, another test) copies
its mounts, and each stays alive there after the run unmounted it: its daemon serves
on, and the run fails at its end. Mounts of a name space of its own nobody copies.
"""
import ctypes
import os
import re

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2


def enter():
    """Moves this process, which must have one thread and be root's, and its children to come; raises OSError.
    Mounts of ontapfs and of stores of simulators that exist already are left out, for the sake of their owners."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "a mount name space: " + os.strerror(ctypes.get_errno()))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        mounts = [(line.split(" ")[4], line.split(" - ", 1)[1].split(" ")[:2]) for line in f]
    for point, (kind, source) in reversed(mounts):
        if kind.startswith("fuse.") or source.startswith("/dev/loop") or source.endswith("/store.img"):
            libc.umount2(os.fsencode(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), point)), MNT_DETACH)
