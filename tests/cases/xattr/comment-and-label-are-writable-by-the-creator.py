#!/usr/bin/env python3
"""ontap.snapshot.comment and .label at the snapshot's root: by creator or admin; in REST after that; our own record stays ours."""
import errno
import os
import ontapfs_test as t

p = t.snap("a")
t.run_as(t.A, t.A, os.mkdir, p)
u = t.rest_snapshots()[t.SNAP + "a"]
t.expect((errno.EPERM, errno.EACCES), t.run_as, t.B, t.B, os.setxattr, p, "ontap.snapshot.comment", b"B was here")
t.run_as(t.A, t.A, os.setxattr, p, "ontap.snapshot.comment", b"epoch 12, loss 0.3")
rec = t.rest("GET", "/storage/volumes/%s/snapshots/%s?fields=comment,snapmirror_label" % (t.volume_uuid("project1"), u))[1]
t.ok(rec["comment"].startswith("epoch 12, loss 0.3"), "comment in REST: %r" % rec["comment"])
t.eq(os.getxattr(p, "ontap.snapshot.comment"), b"epoch 12, loss 0.3", "as we show it, without our record")
t.run_as(t.A, t.A, os.setxattr, p, "ontap.snapshot.label", b"weekly")
rec = t.rest("GET", "/storage/volumes/%s/snapshots/%s?fields=comment,snapmirror_label" % (t.volume_uuid("project1"), u))[1]
t.eq(rec.get("snapmirror_label"), "weekly", "label in REST")
# The creator is still known.
t.expect(errno.EPERM, t.run_as, t.B, t.B, os.rmdir, p)
t.run_as(t.A, t.A, os.rmdir, p)
