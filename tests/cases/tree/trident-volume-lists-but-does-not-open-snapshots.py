#!/usr/bin/env python3
"""A volume whose snapshot directory is switched off: control works, entering is EACCES, last_error names the remedy."""
import os
import ontapfs_test as t

snaps = t.MNT + "/trident_pvc/.snapshots"
p = snaps + "/" + t.SNAP + "a"
os.mkdir(p)
t.ok(os.path.basename(p) in os.listdir(snaps), "listed after mkdir")
t.ok(os.path.basename(p) in t.rest_snapshots("trident_pvc"), "there in REST")
t.expect(t.errno.EACCES, os.listdir, p)
text = t.last_error(snaps)
t.ok("snapdir" in text or "snapshot directory" in text.lower() or "snapshot-dir" in text,
     "last_error names the remedy: %r" % text)
t.expect(t.errno.EACCES, os.stat, p + "/anything")
os.rename(p, snaps + "/" + t.SNAP + "b")
t.ok(t.SNAP + "b" in t.rest_snapshots("trident_pvc"), "renamed in REST")
t.drop(snaps + "/" + t.SNAP + "b")
t.ok(t.SNAP + "b" not in t.rest_snapshots("trident_pvc"), "deleted in REST")
