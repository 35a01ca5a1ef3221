#!/usr/bin/env python3
"""utimensat: exact, one of two, now; writes move mtime and ctime."""
# cells: setattr/live stat/live
import os
import time
import ontapfs_test as t

f = t.CASE + "/f"
t.write(f, "x")
for a, m in ((1, 2), (1234567890123456789, 987654321987654321), (4 * 10 ** 18, 10 ** 9 + 1)):
    os.utime(f, ns=(a, m))
    st = os.stat(f)
    t.eq((st.st_atime_ns, st.st_mtime_ns), (a, m), "set by ns")
t.run("touch", "-m", "-d", "@1000000000.5", f)
st = os.stat(f)
t.eq((st.st_atime_ns, st.st_mtime_ns), (4 * 10 ** 18, 1000000000500000000), "only mtime")
now = time.time()
os.utime(f)
t.ok(abs(os.stat(f).st_mtime - now) < 5, "now")
os.utime(f, ns=(1, 1))
t.write(f, "y")
t.ok(abs(os.stat(f).st_mtime - now) < 60, "mtime after a write")
os.symlink("f", t.CASE + "/l")
os.utime(t.CASE + "/l", ns=(5, 6), follow_symlinks=False)
if t.SIM_NFS != "ganesha":  # 4.3 answers success and leaves the times of a symlink alone
    t.eq(os.lstat(t.CASE + "/l").st_mtime_ns, 6, "of a symlink")
t.take()
os.utime(f, ns=(7, 7))
t.ok(os.stat(t.in_snap() + "/f").st_mtime_ns != 7, "frozen times stay")
