#!/usr/bin/env python3
"""In .clones only mkdir, ln -s and rmdir mean something; files, renames, links and changes of attributes are EPERM, for root too."""
# needs: own-mount
# cells: create/clonedir unlink/clonedir rename/clonedir rename-out/clonedir rename-in/clonedir link/clonedir copy/clonedir
# cells: setattr/clonedir setxattr/clonedir getxattr/clonedir stat/clonedir statfs/clonedir readdir/clonedir
import errno
import os
import stat
import ontapfs_test as t

with t.own_fixture():
    c = t.MNT + "/project1/.clones"
    x = c + "/" + t.clone_name("x")
    t.write(t.CASE + "/f", "x")
    os.mkdir(t.CASE + "/d")
    t.take("a")
    os.mkdir(x)
    for fn, args in ((os.open, (c + "/new", os.O_WRONLY | os.O_CREAT)), (os.mkfifo, (c + "/fifo",)),
                     (os.link, (t.CASE + "/f", c + "/hard")), (os.link, (t.in_snap("a") + "/f", c + "/hard")),
                     (os.chmod, (c, 0o700)), (os.chown, (c, 1, 1)), (os.utime, (c,)),
                     (os.setxattr, (c, "user.x", b"1")), (os.setxattr, (c, "ontap.kind", b"x")), (os.setxattr, (c, "ontap.arm", b"x")),
                     (os.rename, (x, x + "2")), (os.rename, (x, t.CASE + "/x")), (os.rename, (x, t.MNT + "/x")),
                     (os.rename, (x, t.snap("x"))), (os.rename, (x, t.MNT + "/imagenet/.clones/x")),
                     (os.rename, (t.CASE + "/d", c + "/d")), (os.rename, (t.CASE + "/f", c + "/f")),
                     (os.rename, (t.snap("a"), c + "/s")), (os.rename, (c, t.CASE + "/c")), (os.rename, (t.CASE + "/d", c)),
                     (os.rmdir, (c,))):
        t.expect(errno.EPERM, fn, *args)
    # A clone is a directory to the kernel, so it is the one that refuses unlink.
    t.expect((errno.EISDIR, errno.EPERM), os.unlink, x)
    t.expect(errno.ENOENT, os.unlink, c + "/nosuch")
    t.expect(errno.ENOENT, os.rmdir, c + "/nosuch")
    p = t.run("mv", x, t.CASE + "/x", check=False)
    t.ok(p.returncode != 0 and not os.path.lexists(t.CASE + "/x"), "mv of a clone fails and copies nothing: " + p.stderr)
    p = t.run("cp", t.CASE + "/f", c, check=False)
    t.ok(p.returncode != 0 and os.listdir(c).count("f") == 0, "cp of a file into .clones")
    st, vol = os.stat(c), os.stat(t.MNT + "/project1")
    t.eq((st.st_nlink, stat.S_ISDIR(st.st_mode)), (1, True), "nlink and type")
    t.eq((st.st_uid, st.st_gid, st.st_mode & 0o7777), (vol.st_uid, vol.st_gid, vol.st_mode & 0o777), "owner and mode, the volume's")
    t.eq(os.statvfs(c).f_blocks, os.statvfs(t.MNT + "/project1").f_blocks, "statfs, the volume's")
    t.eq(os.getxattr(c, "ontap.kind"), b"clonedir", "ontap.kind")
    t.eq(os.getxattr(c, "ontap.volume.name"), b"project1", "ontap.volume.name")
    t.eq(os.listxattr(c), [], "listed attributes")
    t.ok(os.path.isdir(x + "/" + os.path.basename(t.CASE)), "the clone is whole")
