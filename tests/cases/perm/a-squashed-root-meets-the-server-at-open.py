#!/usr/bin/env python3
"""With root squashed, open and opendir refuse root what the server refuses, live and frozen, and verbs on a volume; that harms nobody else."""
# needs: own-mount
import errno
import os
import ontapfs_test as t

with t.own_mount() as (sim, gw):
    vol = gw.mnt + "/project1/"
    os.mkdir(vol + "d")
    os.chown(vol + "d", t.A, t.A)
    os.chmod(vol + "d", 0o700)
    t.run_as(t.A, t.A, t.write, vol + "d/f", "A's", os.O_WRONLY | os.O_CREAT, 0o600)
    os.mkdir(vol + "open")
    t.write(vol + "open/f", "A's")
    os.chown(vol + "open/f", t.A, t.A)
    os.chmod(vol + "open/f", 0o600)
    os.chmod(vol, 0o755)
    os.mkdir(vol + ".snapshots/s")
    t.rest_export_rules({"superuser": ["none"]}, sim.dir)

    def opens(path, flags=os.O_RDONLY):
        os.close(os.open(path, flags))

    t.wait_for(lambda: t.errno_of(opens, vol + "open/f") == errno.EACCES, "root to be refused by the server", 10)
    for tree in (vol, vol + ".snapshots/s/"):
        t.expect(errno.EACCES, opens, tree + "d", os.O_RDONLY | os.O_DIRECTORY)
        t.expect(errno.EACCES, opens, tree + "open/f")
        if tree != vol:  # live, the name is known from its making
            for _ in range(2):
                t.expect(errno.EACCES, os.stat, tree + "d/f")
        t.eq(t.run_as(t.A, t.A, t.read, tree + "d/f"), b"A's", "A finds and reads it in " + tree)

    # The kernel lets root do all; a verb on the volume needs the server's word, too.
    t.expect(errno.EACCES, os.mkdir, vol + ".snapshots/n")
    t.expect(errno.EACCES, os.mkdir, vol + ".clones/n")

    def remove_open():
        with open(vol + "d/f", "rb") as f:
            os.unlink(vol + "d/f")
            return f.read()
    # The last close has no caller that the kernel tells of.
    t.eq(t.run_as(t.A, t.A, remove_open), b"A's", "open and removed")
    t.wait_for(lambda: not os.listdir(sim.path() + "/d"), "A's unlinked file to go with its last close", 10)
