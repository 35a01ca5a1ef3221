#!/usr/bin/env python3
"""A page that is dropped while its write is under way is read as it was written: a read that overtook the write
would put the old bytes into the cache, and where the server's clock has not ticked nothing tells of it."""
# needs: own-mount
import os
import threading

import ontapfs_test as t

PAGE = 4096

with t.proxied_mount() as (sim, gw, proxy):
    path, store = gw.mnt + "/project1/file", sim.path("project1") + "/file"
    t.write(path, b"o" * PAGE * 3)
    fd = os.open(path, os.O_RDWR)
    t.eq(os.pread(fd, PAGE * 3, 0), b"o" * PAGE * 3, "before")
    proxy.tell("on WRITE call hold")
    writer = threading.Thread(target=os.pwrite, args=(fd, b"n" * 100, PAGE))
    writer.start()
    proxy.wait("hits", 1)
    # The kernel drops all pages of a file that changed: who opens it looks.
    stamp = os.stat(store).st_mtime_ns + 10**9
    os.utime(store, ns=(stamp, stamp))
    other = os.open(path, os.O_RDONLY)
    reader = threading.Thread(target=os.pread, args=(other, 100, PAGE))
    reader.start()
    # It waits for the write, or has overtaken it: give it the time for that.
    reader.join(0.5)
    proxy.tell("clear")
    proxy.tell("release")
    writer.join(30)
    reader.join(30)
    t.ok(not writer.is_alive() and not reader.is_alive(), "both end")
    # Within one tick of the server's clock the mtime stays as it is.
    os.utime(store, ns=(stamp, stamp))
    t.eq(os.pread(fd, 100, PAGE), b"n" * 100, "who wrote reads what it wrote")
    t.eq(os.pread(other, 100, PAGE), b"n" * 100, "so do others")
    os.close(other)
    os.close(fd)
