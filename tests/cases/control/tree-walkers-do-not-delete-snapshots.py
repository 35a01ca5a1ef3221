#!/usr/bin/env python3
"""find -delete and rmtree(ignore_errors) ignore EROFS and call rmdir at the end: ENOTEMPTY saves the snapshot."""
# cells: rule-6.2
import errno
import os
import shutil
import ontapfs_test as t

os.makedirs(t.CASE + "/d/e")
t.write(t.CASE + "/d/e/f", "keep me")
p = t.take("a")


def still_there(what):
    t.ok(t.SNAP + "a" in t.rest_snapshots(), "the snapshot survives " + what)
    t.eq(t.read(t.in_snap("a") + "/d/e/f"), b"keep me", "content after " + what)


t.run("find", p, "-delete", check=False)
still_there("find -delete")
t.run("rm", "-rf", p, check=False)
still_there("rm -rf")
t.run_as(0, 0, lambda: shutil.rmtree(p, ignore_errors=True))
still_there("shutil.rmtree")


def look_then_remove():
    os.listdir(p)
    os.rmdir(p)


def try_change_then_remove():
    t.expect(errno.EROFS, os.unlink, t.in_snap("a") + "/d/e/f")
    os.rmdir(p)


t.expect(errno.ENOTEMPTY, t.run_as, 0, 0, look_then_remove)
t.expect(errno.ENOTEMPTY, t.run_as, 0, 0, try_change_then_remove)
still_there("look, then rmdir")
t.drop(p)
t.ok(t.SNAP + "a" not in t.rest_snapshots(), "a plain rmdir deletes it")
