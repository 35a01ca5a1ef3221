#!/usr/bin/env python3
"""While ONTAP splits a clone, ontap.clone.split climbs and the clone works; then it is an ordinary volume at the root."""
# needs: own-mount
# cells: split/live
import os
import stat
import ontapfs_test as t

with t.own_mount("catalog_refresh=1") as (sim, gw):
    t.run(t.ONTAPSIM, "ctl", sim.dir, "split", "4000")
    os.chdir(gw.mnt)
    t.write("project1/f", "base")
    os.mkdir("project1/.clones/c")
    clone = os.open("project1/.clones/c", os.O_PATH)
    t.eq(os.getxattr("c", "ontap.clone.split"), b"0", "before")
    os.setxattr("c", "ontap.clone.split", b"1")
    seen = []

    def percent():
        try:
            seen.append(int(os.getxattr("c", "ontap.clone.split")))
        except OSError as e:  # a clone no more
            t.eq(t.name_of(e.errno), "ENODATA", "after the split")
            return False
        return True

    t.wait_for(lambda: percent() and seen[-1] >= 30, "the percent to climb", 20)
    t.ok(os.path.islink("c"), "still a clone at %d %%" % seen[-1])
    t.write("c/new", "in between")
    t.eq((t.read("c/f"), t.read("c/new")), (b"base", b"in between"), "it works meanwhile")
    os.setxattr("c", "ontap.clone.split", b"1")  # the same again asks for nothing new
    t.wait_for(lambda: not percent(), "the end of the split", 20)
    t.eq(seen, sorted(seen), "percents in order")
    t.ok(len(set(seen)) > 3 and all(0 <= n <= 100 for n in seen), "percents %r" % sorted(set(seen)))
    t.wait_for(lambda: stat.S_ISDIR(os.lstat("c").st_mode), "the volume at the root", 20)
    t.eq((t.read("c/f"), t.read("c/new")), (b"base", b"in between"), "its bytes")
    t.eq((os.listdir("project1/.clones"), os.getxattr("c", "ontap.kind")), ([], b"volume"), "what it is now")
    t.eq(t.rest_volume("c", sim.dir)["clone"]["is_flexclone"], False, "ONTAP's word")
    os.close(clone)
    os.chdir("/")
