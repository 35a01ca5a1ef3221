#!/usr/bin/env python3
"""`>>` and O_APPEND write at the server's end, not at the size that we remember."""
import os
import ontapfs_test as t

f = t.CASE + "/log"
behind = os.path.join(t.STORE, os.path.basename(t.CASE), "log")


def elsewhere(text):
    with open(behind, "ab") as g:
        g.write(text)


t.write(f, "ours1 ")
want = b"ours1 "
for i in range(10):
    elsewhere(b"theirs%d " % i)
    t.run("sh", "-c", 'printf "ours%s " "$2" >>"$1"', "sh", f, str(i))
    want += b"theirs%d ours%d " % (i, i)
    t.eq(t.read(behind), want, "shell append %d" % i)
# A descriptor that stays open.
fd = os.open(f, os.O_WRONLY | os.O_APPEND)
for i in range(10):
    elsewhere(b"T%d " % i)
    os.write(fd, b"O%d " % i)
    want += b"T%d O%d " % (i, i)
os.close(fd)
t.eq(t.read(behind), want, "appends through an open descriptor")
t.eq(t.read(f), want, "what we read")
