#!/usr/bin/env python3
"""kill -9 between any two steps of a change: the caller gets its answer, it is done once, and never over what came later."""
# needs: own-mount
# time-limit: 180
# log-ok: killed by signal 9|died of signal 9
# not-on: ganesha (the other host acts behind its caches)
# tests/kills does all points of all operations and verbs, ten times each.
import killpoints as k
import ontapfs_test as t

CELLS = (
    (k.Mkdir, "received"), (k.Mkdir, "replied"), (k.Create, "sent"), (k.Create, "replied"), (k.Mknod, "received"),
    (k.Mkfifo, "intent"), (k.Symlink, "received"), (k.Link, "answering"), (k.Unlink, "received"), (k.Unlink, "replied"),
    (k.UnlinkOpen, "sent"), (k.CloseUnlinked, "intent"), (k.Rmdir, "received"), (k.Rename, "received"),
    (k.RenameOver, "replied"), (k.RenameOverOpen, "sent LINK"), (k.RenameNoreplace, "received"), (k.Chmod, "replied"),
    (k.Truncate, "freed"), (k.Truncate, "replied"), (k.OpenTruncates, "replied"), (k.Write, "replied"),
    (k.LargeWrite, "sent"), (k.Append, "received"), (k.SnapCreate, "answering"),
)

with k.matrix() as m:
    for op, point in CELLS:
        m.kill(op, *[p for p in op().points() if " ".join(p).startswith(point)][-1])
    print(m.table())
    print(m.summary())
    t.ok(not m.reports, "\n".join(m.reports))
