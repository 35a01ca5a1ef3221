#!/usr/bin/env python3
"""Who writes with O_DIRECT and asynchronous I/O, and reads buffered, reads what was written: also where
somebody else reads those pages while they are being written."""
# needs: own-mount
import ctypes
import mmap
import os
import platform
import struct
import threading

import ontapfs_test as t

if platform.machine() != "x86_64":
    t.skip("the numbers of the system calls are those of x86_64")
IO_SETUP, IO_DESTROY, IO_GETEVENTS, IO_SUBMIT = 206, 207, 208, 209
BLOCK, BLOCKS = 65536, 4


def call(number, *args):
    r = t.libc.syscall(ctypes.c_long(number), *args)
    t.ok(r >= 0, "system call %d: %s" % (number, os.strerror(ctypes.get_errno())))
    return r


def write_all(ctx, fd, at):
    """All blocks in one submission; returns when the last one is done."""
    iocbs = [ctypes.create_string_buffer(struct.pack("<QIIHhIQQqQII", i, 0, 0, 1, 0, fd, at + i * BLOCK, BLOCK, i * BLOCK,
                                                     0, 0, 0), 64) for i in range(BLOCKS)]
    table = (ctypes.c_void_p * BLOCKS)(*(ctypes.addressof(c) for c in iocbs))
    t.eq(call(IO_SUBMIT, ctx, ctypes.c_long(BLOCKS), table), BLOCKS, "submitted")
    events = ctypes.create_string_buffer(32 * BLOCKS)
    done = call(IO_GETEVENTS, ctx, ctypes.c_long(BLOCKS), ctypes.c_long(BLOCKS), events, None)
    t.eq(done, BLOCKS, "done")
    for i in range(BLOCKS):
        t.eq(struct.unpack_from("<q", events, 32 * i + 16)[0], BLOCK, "bytes written by block")


with t.proxied_mount() as (sim, gw, proxy):
    path = gw.mnt + "/project1/file"
    t.write(path, bytes(BLOCK * BLOCKS))
    direct = os.open(path, os.O_RDWR | os.O_DIRECT)
    buffered = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(-1, BLOCK * BLOCKS)
    memory[:] = b"n" * (BLOCK * BLOCKS)
    context = ctypes.c_ulong(0)
    call(IO_SETUP, ctypes.c_uint(BLOCKS), ctypes.byref(context))
    # The server has not seen the writes yet when somebody reads: who waits, or gets the old bytes.
    got = []
    reader = threading.Thread(target=lambda: got.extend(os.pread(buffered, BLOCK, b * BLOCK) for b in range(BLOCKS)))
    before = proxy.seen("WRITE")
    proxy.tell("on WRITE call hold")
    writer = threading.Thread(target=write_all, args=(context, direct, ctypes.addressof(ctypes.c_char.from_buffer(memory))))
    writer.start()
    proxy.wait("WRITE", before + 1)
    reader.start()
    reader.join(0.5)
    proxy.tell("clear")
    proxy.tell("release")
    writer.join()
    reader.join()
    t.ok(all(b in (bytes(BLOCK), b"n" * BLOCK) for b in got) and len(got) == BLOCKS, "no block is a mixture")
    for b in range(BLOCKS):
        t.ok(os.pread(buffered, BLOCK, b * BLOCK) == b"n" * BLOCK, "block %d is read as it was written" % b)
    call(IO_DESTROY, context)
    os.close(direct)
    os.close(buffered)
