#!/usr/bin/env python3
"""@latest and @oldest are bases for clones as they are for reading: in .snapshots, in .clones and as VOLUME@latest."""
# needs: own-mount
# cells: symlink/root symlink/clonedir
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt)
    for n in ("s1", "s2", "s3"):
        t.write("project1/f", n)
        os.mkdir("project1/.snapshots/" + n)
    wrong = []
    for link, target, want in (("a", "project1/.snapshots/@latest", "s3"), ("b", "project1/.snapshots/@oldest", "s1"),
                               ("project1/.clones/c", "../.snapshots/@latest", "s3"), ("d", "project1@latest", "s3"),
                               ("e", "project1@oldest", "s1"), ("project1/.clones/f", "project1@latest", "s3")):
        e = t.errno_of(os.symlink, target, link)
        got = t.read(link + "/f").decode() if not e else t.name_of(e)
        if got != want:
            wrong.append("ln -s %s %s: got %s, want the bytes of %s" % (target, link, got, want))
    os.chdir("/")
    t.eq(wrong, [], "clones of the newest and the oldest")
