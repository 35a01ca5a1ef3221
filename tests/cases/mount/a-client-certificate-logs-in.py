#!/usr/bin/env python3
"""A client certificate in place of a password: sent to ONTAP, and nothing else; a wrong one is refused in words."""
# needs: own-mount
import os
import front
import ontapfs_test as t

cert, key = front.make_certificate("ontapfs")
other_cert, other_key = front.make_certificate("stranger")

with t.own_sim() as sim, front.Front(sim, client_ca=cert) as f:
    own = f.config("own", username=None, password=None, clientCertificate=cert, clientPrivateKey=key)
    with t.Gateway(own, t.WORK + "/mnt") as gw:
        os.mkdir(gw.mnt + "/project1/.snapshots/by-certificate")
        t.ok("by-certificate" in os.listdir(gw.mnt + "/project1/.snapshots"), "the snapshot")
    t.ok(f.seen and not any(login for _, _, login in f.seen), "no password was sent")

    wrong = f.config("wrong", username=None, password=None, clientCertificate=other_cert, clientPrivateKey=other_key)
    g = t.Gateway(wrong, t.WORK + "/mnt2")
    t.ok(g.try_up() != 0, "a stranger's certificate does not mount")
    # Where the server's alert is lost with the connection, that is all there is to tell.
    t.ok(any(s in g.said for s in ("refused the TLS connection", "no TLS connection", "refuses the client certificate")),
         "its reason: " + g.said)

    mixed = f.config("mixed", username=None, password=None, clientCertificate=cert, clientPrivateKey=other_key)
    g = t.Gateway(mixed, t.WORK + "/mnt3")
    t.ok(g.try_up() != 0, "a key of another certificate does not mount")
    t.ok("not usable together" in g.said, "its reason: " + g.said)
