#!/usr/bin/env python3
"""A FlexGroup whose file ids have 32 bits and are the same for different files: each file has an inode number of its own, live, frozen and in a clone, the same by stat, by readdir and on another mount; tools take no two for one."""
# needs: own-mount
# not-on: ganesha (its file ids have 64 bits)
import os
import nfs_raw
import ontapfs_test as t

N = 60

with t.own_mount("attr_timeout=0") as (sim, gw):
    v = gw.mnt + "/imagenet"
    os.mkdir(v + "/d")
    for i in range(N):
        t.write("%s/d/f%02d" % (v, i), b"%02d" % i * 50)
    os.link(v + "/d/f00", v + "/d/hard")
    names = ["f%02d" % i for i in range(N)]
    with nfs_raw.Client(nfs_raw.Server(sim), 0, 0) as c:
        ids = [c.fileid("imagenet/d/" + n) for n in names]
    t.ok(max(ids) < 2 ** 32 and len(set(ids)) <= N // 2, "the server's ids collide: %d of %d" % (len(set(ids)), N))
    os.mkdir(v + "/.snapshots/s")
    os.symlink("imagenet@s", gw.mnt + "/c")
    seen = {}
    with t.second_mount(sim=sim.dir) as other:
        for top in ("imagenet/d", "imagenet/.snapshots/s/d", "c/d"):
            here, there = "%s/%s/" % (gw.mnt, top), "%s/%s/" % (other.mnt, top)
            listed = {e.name: e.inode() for e in os.scandir(here)}
            for n in names:
                st = os.stat(here + n)
                t.ok(st.st_ino not in seen, "%s%s has the number of %s" % (here, n, seen.get(st.st_ino)))
                seen[st.st_ino] = here + n
                t.eq((listed[n], os.stat(there + n).st_ino), (st.st_ino, st.st_ino), "its number in a listing, elsewhere")
                t.eq(t.read(here + n), n[1:].encode() * 50, "its bytes")
            t.ok(os.path.samefile(here + "hard", here + "f00"), "a hard link")
    # Which file is whose is told by numbers: tar keeps one hard link, cmp and cp find no others equal.
    t.run("tar", "-C", v, "-cf", t.WORK + "/t.tar", "d")
    links = [x for x in t.run("tar", "-tvf", t.WORK + "/t.tar").stdout.splitlines() if " link to " in x]
    t.eq(len(links), 1, "hard links in the archive")
    same = [(a, b) for a, x in zip(names, ids) for b, y in zip(names, ids) if a < b and x == y][0]
    t.eq(t.run("cmp", "-s", *("%s/d/%s" % (v, n) for n in same), check=False).returncode, 1, "cmp of two with one id")
    t.run("cp", *("%s/d/%s" % (v, n) for n in same))
    t.eq(t.read("%s/d/%s" % (v, same[1])), same[0][1:].encode() * 50, "copied over the other")
    gw.down()
    gw.up()
    for n in names:
        t.ok(os.stat("%s/d/%s" % (v, n)).st_ino in seen, "the number after another mount")
