#!/usr/bin/env python3
"""Commands show names that others gave so that a terminal does nothing with them, and letters of all languages as they are."""
# needs: own-mount
import os
import ontapfs_test as t

EVIL = "a\x9b31m'b"  # what ONTAP may hold: an 8-bit "set colour", and a quote
KIND = "für-alle"


def said(locale, *args, status=0):
    p = t.run(t.ONTAPFS, *args, check=False, env=dict(os.environ, LC_ALL=locale))
    t.eq(p.returncode, status, " ".join(args) + p.stderr)
    out = p.stdout + p.stderr
    t.ok("\x9b" not in out, "%r is harmless" % out)
    return out


with t.own_mount("snapshot_refresh=1") as (sim, gw):
    v = gw.mnt + "/project1"
    for name in ("first", EVIL, KIND):
        t.rest_snapshot_create(name, sim=sim.dir)
    t.wait_for(lambda: len(os.listdir(v + "/.snapshots")) == 3, "the snapshots to be listed")
    for locale, kind in (("C.UTF-8", KIND), ("C", "f\\xc3\\xbcr-alle")):
        t.ok(kind in said(locale, "log", v), "the letter in log, " + locale)
        out = said(locale, "restore", v, "first", status=1)
        t.ok(kind in out and "\\xc2\\x9b31m'b" in out, "names in restore, %s: %s" % (locale, out))
    # What it tells to type is that name.
    line = [l for l in said("C.UTF-8", "restore", v, EVIL, status=1).splitlines() if "ontapfs restore --lose=1" in l][0]
    word = t.run("bash", "-c", "set -- %s; printf %%s \"$5\"" % line).stdout
    t.eq(word, EVIL, "the last word of %s" % line)
    t.ok(EVIL in os.listdir(v + "/.snapshots"), "nothing was done")
    said("C.UTF-8", "status", gw.mnt)
    t.ok("\\xc2\\x9b" in said("C.UTF-8", "restore", v, "no\x9bsuch", status=1), "an argument in a message")
