#!/usr/bin/env python3
"""cp and ln: within a volume, out of a snapshot and between volumes; EPERM at the root and in .snapshots, EROFS into a snapshot."""
# cells: copy/root copy/live copy/snapdir copy/snapshot link/root link/live link/snapdir link/snapshot
import errno
import os
import subprocess
import ontapfs_test as t

data = os.urandom(300000)
t.write(t.CASE + "/f", data)
os.mkdir(t.CASE + "/d")
t.take("a")
frozen = t.in_snap("a")
snaps = t.MNT + "/project1/.snapshots"
for source in (t.CASE + "/f", frozen + "/f"):
    for where, says in ((t.MNT, "not permitted"), (snaps, "not permitted"), (frozen, "Read-only"), (frozen + "/d", "Read-only"),
                        (t.MNT + "/.ontap", "not permitted")):
        p = subprocess.run(["cp", source, where + "/x"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        t.ok(p.returncode != 0 and says in p.stderr, "cp to %s: %s" % (where, p.stderr))
    for where, err in ((t.MNT, errno.EPERM), (snaps, errno.EPERM), (frozen, errno.EROFS), (t.MNT + "/.ontap", errno.EPERM)):
        t.expect(err, os.link, source, where + "/x")
    t.run("cp", source, t.CASE + "/copy")
    t.ok(t.read(t.CASE + "/copy") == data, "cp of " + source)
    os.unlink(t.CASE + "/copy")
# One COPY_FILE_RANGE, from a snapshot.
src, dst = os.open(frozen + "/f", os.O_RDONLY), os.open(t.CASE + "/range", os.O_RDWR | os.O_CREAT)
done = 0
while done < len(data):
    done += os.copy_file_range(src, dst, len(data) - done)
t.ok(os.pread(dst, len(data) + 1, 0) == data, "copy_file_range")
os.link(t.CASE + "/f", t.CASE + "/hard")
t.eq((os.stat(t.CASE + "/hard").st_ino, os.stat(t.CASE + "/f").st_nlink), (os.stat(t.CASE + "/f").st_ino, 2), "a hard link")
t.expect(errno.EXDEV, os.link, frozen + "/f", t.CASE + "/x")
t.expect(errno.EXDEV, os.link, t.CASE + "/f", t.MNT + "/imagenet/" + t.SNAP + "x")
t.expect(errno.EROFS, os.link, frozen + "/f", frozen + "/x")
