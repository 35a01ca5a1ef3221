#!/usr/bin/env python3
"""cp of a large file, and ln of one out of a snapshot, are file clones: the caller's file, right bytes, no READ or WRITE; small files are not; a killed daemon changes nothing."""
# needs: own-mount
# cells: copy-clone/live link-clone/live copy/live link/live
# not-on: ganesha (it is about REST)
# time-limit: 120
# log-ok: killed by signal 9|died of signal 9
import errno
import os
import subprocess
import ontapfs_test as t

SIZE = 40 << 20


def data_calls(gw):
    return t.nfs_calls(gw.mnt, proc="READ") + t.nfs_calls(gw.mnt, proc="WRITE")


def clones(gw):
    return t.counter(t.stats(gw.mnt), "ontapfs_verbs_total", verb="file.clone")


with t.own_mount() as (sim, gw):
    v = gw.mnt + "/project1"
    os.chmod(v, 0o777)
    data = b"".join(t.stamped(i) for i in range(SIZE // 4096)) + b"tail"
    t.write(v + "/big", data)
    t.write(v + "/small", b"small")
    os.chmod(v + "/big", 0o4755)
    os.mkdir(v + "/.snapshots/s")
    frozen = v + "/.snapshots/s/"
    before = data_calls(gw)
    t.run_as(t.A, t.A, lambda: t.run(*t.CP, frozen + "big", v + "/a") and None)
    t.run(*t.CP, v + "/big", v + "/b")
    os.link(frozen + "big", v + "/c")
    t.eq(data_calls(gw) - before, 0, "READ and WRITE calls")
    t.eq(clones(gw), 3, "file clones")
    for name, uid in (("a", t.A), ("b", 0), ("c", 0)):
        st = os.stat(v + "/" + name)
        t.eq((st.st_uid, st.st_mode & 0o6000, st.st_nlink), (uid, 0, 1), "owner, set-id bits and links of " + name)
        t.ok(t.read(v + "/" + name) == data, "bytes of " + name)
    # An old file is truncated by its writer, never cloned over; a small one is no clone.
    t.expect(errno.EEXIST, os.link, frozen + "big", v + "/c")
    t.expect(errno.EXDEV, os.link, frozen + "small", v + "/d")
    t.expect(errno.ENOENT, os.lstat, v + "/d")
    t.write(v + "/longer", b"x" * len(data) + b"what lies behind")
    with open(v + "/big", "rb") as a, open(v + "/longer", "r+b") as b:
        t.eq(os.copy_file_range(a.fileno(), b.fileno(), len(data), 0, 0) > 0, True, "copy_file_range into an old file")
    t.eq(t.read(v + "/longer")[len(data):], b"what lies behind", "what lies behind a copy")
    t.eq(clones(gw), 3, "file clones after all these")
    # Without the right to read there is no copy.
    os.chmod(v + "/big", 0o600)
    os.mkdir(v + "/.snapshots/closed")
    t.expect((errno.EACCES, errno.EPERM), t.run_as, t.A, t.A, os.link, v + "/.snapshots/closed/big", v + "/e")
    t.expect(errno.ENOENT, os.lstat, v + "/e")
    # The daemon is killed while ONTAP is at work.
    t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "delay", "1500")
    for cmd, name in (((*t.CP, frozen + "big", v + "/f"), "f"), (("ln", frozen + "big", v + "/g"), "g")):
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        t.wait_for(lambda: b"file.clone" in t.read(gw.mnt + "/.ontap/jobs"), "the clone at work", 10)
        gw.replace_daemon()
        out, err = p.communicate(timeout=40)
        t.eq((p.returncode, out + err), (0, ""), " ".join(cmd))
        t.ok(t.read(v + "/" + name) == data, "bytes of " + name)
