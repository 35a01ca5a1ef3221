#!/usr/bin/env python3
"""find, ls -R, du, tar and rm -rf over tree, volume and clone's parent never enter .clones; the clones keep every byte."""
# needs: own-mount
# cells: readdir/root readdir/live readdir/snapdir rule-6.1 rule-6.1-link
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    os.chdir(gw.mnt)
    os.makedirs("project1/d/e")
    t.write("project1/d/e/f", "base")
    os.mkdir("project1/.snapshots/s")
    os.symlink("project1/.snapshots/s", "exp1")
    os.mkdir("exp1/.snapshots/t")
    os.symlink("exp1/.snapshots/t", "exp2")
    t.write("exp1/d/e/f", "one")
    t.write("exp2/d/e/f", "two")
    for cmd in (("find", "."), ("find", "project1"), ("ls", "-AR", "."), ("du", "-a", "."), ("tar", "cvf", "/dev/null", "."),
                ("rsync", "-an", "-v", "./", t.WORK + "/nowhere/"), ("find", "exp1/", "-mindepth", "1")):
        out = "\n".join(x.split(" -> ")[0] for x in t.run(*cmd).stdout.splitlines())
        t.ok(".clones/" not in out and ".snapshots" not in out, "%s entered:\n%s" % (" ".join(cmd), out))
    for cmd in ('rm -rf project1', 'rm -rf ./* ./.[!.]*', 'find . -delete', 'find project1 -mindepth 1 -delete', 'rm -rf exp1',
                'rm -rf project1/*'):
        t.run("sh", "-c", cmd, check=False)
    t.eq(os.listdir("project1"), [], "the live volume")
    t.eq(t.read("exp1/d/e/f"), b"one", "the clone's file")
    t.eq(t.read("exp2/d/e/f"), b"two", "the clone's clone's file")
    t.eq(t.read("project1/.snapshots/s/d/e/f"), b"base", "the snapshot's file")
    t.eq(t.rest_volumes(sim.dir), ["exp1", "exp2", "imagenet", "project1", "trident_pvc"], "volumes")
    os.chdir("/")
