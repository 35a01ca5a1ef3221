#!/usr/bin/env python3
"""A server that reads or writes less than it was asked to is asked again: the bytes are whole."""
# needs: own-mount
import os
import ontapfs_test as t

with t.proxied_mount() as (sim, gw, proxy):
    data = b"".join(t.stamped(i) for i in range(256))
    path = gw.mnt + "/project1/f"
    proxy.tell("on WRITE reply short 1000 count 40")
    t.write(path, data)
    t.ok(proxy.seen("hits") == 40, "the rule applied")
    proxy.tell("clear")
    t.eq(t.read(sim.path() + "/f"), data, "what the server has")
    proxy.tell("on READ reply short 3000 count 0")
    t.ok(t.read(path) == data, "read by pages")
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    t.ok(os.pread(fd, 65536, 4096) == data[4096:4096 + 65536], "read directly")
    os.close(fd)
    t.ok(proxy.seen("hits") > 40, "the rule applied")
