#!/usr/bin/env python3
"""Names of snapshots: EEXIST, EINVAL, ENAMETOOLONG; nothing is made then."""
# cells: mkdir/snapdir
import errno
import os
import ontapfs_test as t

snaps = t.MNT + "/project1/.snapshots/"
before = set(t.rest_snapshots())
t.take("a")
t.expect(errno.EEXIST, os.mkdir, t.snap("a"))
for bad in (".hidden", "@now", "-rf", "a@b", "tab\there", "new\nline", "\x7fdel"):
    t.expect(errno.EINVAL, os.mkdir, snaps + bad)
t.expect(errno.EINVAL, os.mkdir, os.fsencode(snaps) + b"not-utf8-\xff\xfe")
t.expect(errno.ENAMETOOLONG, os.mkdir, snaps + "n" * 256)
t.expect(errno.ENAMETOOLONG, os.mkdir, snaps + "\u00fc" * 128)
t.expect(errno.ENOENT, os.mkdir, snaps + "nothing/inside")
t.eq(set(t.rest_snapshots()) - before - {x for x in t.rest_snapshots() if not x.startswith(t.SNAP)},
     {t.SNAP + "a"}, "snapshots made")
t.ok(t.last_error(t.MNT + "/project1"), "last_error tells the last refusal")
p = t.take("\u00fcml\u00e4ut")
t.ok(t.SNAP + "\u00fcml\u00e4ut" in os.listdir(snaps), "a UTF-8 name")
longest = snaps + t.SNAP + "l" * (255 - len(t.SNAP))
os.mkdir(longest)
t.ok(os.path.isdir(longest), "a name of 255 bytes")
