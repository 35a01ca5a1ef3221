#!/usr/bin/env python3
"""A descriptor that A opened and B inherited reads and writes as A; B itself may not open the file."""
import errno
import os
import ontapfs_test as t

f = t.CASE + "/f"
t.run_as(t.A, t.A, t.write, f, "secret of A", os.O_WRONLY | os.O_CREAT, 0o600)
t.eq((os.stat(f).st_uid, os.stat(f).st_mode & 0o777), (t.A, 0o600), "owner and mode")
t.expect(errno.EACCES, t.run_as, t.B, t.B, t.read, f)


def open_and_hand_on():
    """As A: open; then the same process becomes B, as a child of a setuid program would."""
    fd = os.open(f, os.O_RDWR)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.seteuid(0)
            os.setgroups([])
            os.setresgid(t.B, t.B, t.B)
            os.setresuid(t.B, t.B, t.B)
            ok = t.errno_of(os.open, f, os.O_RDONLY) == errno.EACCES
            ok = ok and os.pread(fd, 100, 0) == b"secret of A"
            os.pwrite(fd, b"written by B", 0)
            os.ftruncate(fd, 12)
            os.fsync(fd)
            code = 0 if ok and os.fstat(fd).st_size == 12 else 2
        finally:
            os._exit(code)
    t.eq(os.waitpid(pid, 0)[1], 0, "B with A's descriptor")
    os.close(fd)


pid = os.fork()
if pid == 0:
    try:
        os.setgroups([])
        os.setresgid(t.A, t.A, 0)
        os.setresuid(t.A, t.A, 0)  # saved uid 0, so that the child can become B
        open_and_hand_on()
        os._exit(0)
    except BaseException as e:
        print(e, flush=True)
        os._exit(1)
t.eq(os.waitpid(pid, 0)[1], 0, "A")
t.eq(t.run_as(t.A, t.A, t.read, f), b"written by B", "A reads what B wrote with its descriptor")
