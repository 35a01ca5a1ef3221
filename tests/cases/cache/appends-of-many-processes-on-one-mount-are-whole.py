#!/usr/bin/env python3
"""O_APPEND by several processes of one mount loses and tears nothing."""
import os
import ontapfs_test as t

f = t.CASE + "/log"
t.write(f, "")
pids = []
for p in range(4):
    pid = os.fork()
    if pid == 0:
        fd = os.open(f, os.O_WRONLY | os.O_APPEND)
        for i in range(100):
            os.write(fd, b"%d %04d %s\n" % (p, i, b"x" * 90))
        os._exit(0)
    pids.append(pid)
for pid in pids:
    t.eq(os.waitpid(pid, 0)[1], 0, "writer's exit")
lines = t.read(f).split(b"\n")[:-1]
t.eq(len(lines), 400, "lines")
t.eq(sorted(x[:6] for x in lines), sorted(b"%d %04d" % (p, i) for p in range(4) for i in range(100)), "each line once")
