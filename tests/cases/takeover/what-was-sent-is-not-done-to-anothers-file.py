#!/usr/bin/env python3
"""The daemon is killed while a create or remove is under way: it is done once, and never to a file that got the name meanwhile."""
# needs: own-mount
# log-ok: killed by signal 9|died of signal 9
# cells: takeover
import os
import subprocess
import nfs_gate
import ontapfs_test as t

with t.own_sim() as sim:
    gate = nfs_gate.Gate(sim)
    with t.Gateway(gate.backend, t.WORK + "/mnt") as gw:
        vol, behind = gw.mnt + "/project1/", sim.path() + "/"

        def interrupted(proc, done, meanwhile, *cmd):
            """Exit status and words of a command whose call was lost, or (done) whose answer, with the daemon."""
            gate.hold(proc, answer=done)
            p = subprocess.Popen(cmd, cwd=vol, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
            gate.wait_held()
            meanwhile()
            gw.replace_daemon()
            gate.drop()  # not before: the old daemon would send it again
            said = p.communicate(timeout=30)[0]
            return p.returncode, said

        def nothing():
            pass

        make = ("dd", "if=/dev/null", "conv=excl", "status=none")
        t.eq(interrupted("CREATE", True, nothing, *make, "of=ours"), (0, ""), "made before the kill")
        t.eq(interrupted("CREATE", False, nothing, *make, "of=late"), (0, ""), "made after it")
        for n in ("ours", "late"):
            t.eq(t.read(behind + n), b"", n)
        status, said = interrupted("CREATE", False, lambda: t.write(behind + "theirs", "theirs"), *make, "of=theirs")
        t.ok(status == 1 and os.strerror(t.errno.EEXIST) in said, "made by another client meanwhile: %d %s" % (status, said))
        t.eq(t.read(behind + "theirs"), b"theirs", "what it holds")

        t.eq(interrupted("REMOVE", False, nothing, "rm", "ours"), (0, ""), "removed after the kill")
        t.eq(interrupted("REMOVE", True, nothing, "rm", "late"), (0, ""), "removed before it")
        t.eq(t.behind(behind), ["theirs"], "names")
        t.eq(interrupted("REMOVE", True, lambda: t.write(behind + "theirs", "new"), "rm", "theirs"), (0, ""),
             "removed, and made again by another client")
        t.eq(t.read(behind + "theirs"), b"new", "the other client's file")
