#!/usr/bin/env python3
"""Files removed or replaced while open keep their bytes to the last close; then nothing of them is left, races included."""
# cells: silly-names
import errno
import os
import threading
import ontapfs_test as t

behind = os.path.join(t.STORE, os.path.basename(t.CASE))
data = os.urandom(300000)


def silly():
    return [n for n in os.listdir(behind) if n.startswith(".nfs")]


def gone(what):
    t.wait_for(lambda: not silly(), "no .nfs file after " + what, 5)


# A file on its own name: it may not be taken away under the reader.
t.write(t.CASE + "/f", data)
fd = os.open(t.CASE + "/f", os.O_RDONLY)
os.unlink(t.CASE + "/f")
t.eq(len(silly()), 1, "kept under another name")
name = t.CASE + "/" + silly()[0]
t.expect(errno.EBUSY, os.unlink, name)
t.expect(errno.EBUSY, os.rename, name, t.CASE + "/back")
t.ok(os.pread(fd, len(data), 0) == data, "bytes after that")
os.close(fd)
gone("its last close")

# Replaced under a reader.
t.write(t.CASE + "/f", data)
fd = os.open(t.CASE + "/f", os.O_RDONLY)
first = os.read(fd, 1000)
t.write(t.CASE + "/new", "new")
os.rename(t.CASE + "/new", t.CASE + "/f")
t.eq(t.read(t.CASE + "/f"), b"new", "the new file")
while True:
    more = os.read(fd, 10000)
    if not more:
        break
    first += more
t.ok(first == data, "the reader gets the old bytes to the end")
os.close(fd)
gone("the reader's close")

# The last close and the removal at one moment, by unlink and by rename.
ROUNDS, HANDS = 500, 2
start = threading.Barrier(HANDS)
errors = []


def closer():
    for i in range(ROUNDS):
        try:
            fd = os.open("%s/r%d" % (t.CASE, i), os.O_RDWR | os.O_CREAT, 0o644)
            start.wait(30)
            os.close(fd)
            start.wait(30)
        except Exception as e:
            errors.append("round %d, close: %r" % (i, e))
            start.abort()
            return


def remover():
    for i in range(ROUNDS):
        try:
            if i % 2:
                t.write(t.CASE + "/new", "x")
            start.wait(30)
            if i % 2:
                os.rename(t.CASE + "/new", "%s/r%d" % (t.CASE, i))
            else:
                os.unlink("%s/r%d" % (t.CASE, i))
            start.wait(30)
            if i % 2:
                os.unlink("%s/r%d" % (t.CASE, i))
        except Exception as e:
            errors.append("round %d, remove: %r" % (i, e))
            start.abort()
            return


threads = [threading.Thread(target=fn) for fn in (closer, remover)]
for th in threads:
    th.start()
for th in threads:
    th.join()
t.eq(errors, [], "errors")
gone("%d races" % ROUNDS)
t.eq(sorted(os.listdir(behind)), ["f"], "what is left")
