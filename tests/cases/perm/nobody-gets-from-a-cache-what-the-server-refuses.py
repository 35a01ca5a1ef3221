#!/usr/bin/env python3
"""Five users in every order, live, in a snapshot and in a clone: each gets just what the server itself says to him, whatever others had cached, also after modes and owners changed, here or elsewhere, and when root is squashed."""
# needs: own-mount
# time-limit: 120
import errno
import os
import nfs_raw
import ontapfs_test as t

MANY = 10004
USERS = {"A": (t.A, t.A, ()), "B": (t.B, t.B, ()), "of the team": (t.C, t.C, (t.TEAM,)),
         "of many groups": (MANY, MANY, (*range(2001, 2031), t.TEAM)), "root": (0, 0, ())}
DIRS, FILES = (0o700, 0o750, 0o711, 0o755), (0o600, 0o640, 0o060, 0o666)
DATA = b"of A" * 3000


def answer(fn, *args):
    e = t.errno_of(fn, *args)
    t.ok(e in (0, errno.EACCES), "%s%r: %s" % (fn.__name__, args, t.name_of(e)))
    return e == 0


def read(path):
    t.ok(t.read(path) == DATA, "bytes of " + path)


def opened(path):
    os.close(os.open(path, os.O_RDWR))


def paths():
    for d in DIRS:
        yield "%03o" % d, None
        for f in FILES:
            yield "%03o" % d, "%03o" % f


def by_mount(top, live):
    """{(path, what): may he?} of the one who asks."""
    out = {}
    for d, f in paths():
        p = "%s/%s" % (d, f)
        if f is None:
            out[d, "list"] = answer(os.listdir, "%s/%s" % (top, d))
            continue
        out[p, "stat"] = answer(os.stat, "%s/%s" % (top, p))
        out[p, "read"] = answer(read, "%s/%s" % (top, p))
        if live:
            out[p, "read and write"] = answer(opened, "%s/%s" % (top, p))
    return out


def by_server(user, top, live):
    uid, gid, groups = USERS[user]
    # Of more groups than 16, AUTH_SYS carries some, and the file's.
    groups = groups if len(groups) <= 16 else (*groups[:15], t.TEAM)
    out = {}
    with nfs_raw.Client(server, uid, gid, groups) as c:
        def may(path, want):
            return (c.access(path, want) & want) == want
        for d, f in paths():
            p = "%s/%s" % (d, f)
            at = "%s/%s" % (top, p)
            if f is None:
                out[d, "list"] = may("%s/%s" % (top, d), nfs_raw.READ)
                continue
            seen = out[p, "stat"] = answer(c.lookup, at)
            out[p, "read"] = seen and may(at, nfs_raw.READ)
            if live:
                change = nfs_raw.READ | nfs_raw.MODIFY
                out[p, "read and write"] = seen and may(at, change)
    return out


def differences(user, squashed=False):
    """A squashed root walks through names that others looked up, for its kernel lets it: what is behind
    a directory that the server closes to it is not compared."""
    uid, gid, groups = USERS[user]
    out = []
    for place, (top, behind) in PLACES.items():
        live = place != "snapshot"
        got = t.run_as(uid, gid, by_mount, gw.mnt + "/" + top, live, groups=groups)
        want = by_server(user, behind, live)
        out += ["%s, %s: %s %s is %s, the server says %s" % (user, place, what, p, got[p, what], want[p, what])
                for p, what in want if got[p, what] != want[p, what] and (want.get((p, "stat"), True) or not squashed)]
    return out


def same(when, users=USERS, squashed=False):
    """One after the other: each finds what those before him left in the caches."""
    for user in users:
        wrong = differences(user, squashed)
        t.ok(not wrong, "%s:\n%s" % (when, "\n".join(wrong)))


with t.own_mount() as (sim, gw):
    v, server = gw.mnt + "/project1", nfs_raw.Server(sim)
    os.chmod(v, 0o755)
    for d in DIRS:
        base = "%s/d/%03o/" % (v, d)
        os.makedirs(base)
        for f in FILES:
            t.write(base + "%03o" % f, DATA)
            os.chown(base + "%03o" % f, t.A, t.TEAM)
            os.chmod(base + "%03o" % f, f)
        os.chown(base, t.A, t.TEAM)
        os.chmod(base, d)
    os.mkdir(v + "/.snapshots/s")
    os.symlink("project1@s", gw.mnt + "/c")
    PLACES = {"live": ("project1/d", "project1/d"), "snapshot": ("project1/.snapshots/s/d", "project1/.snapshot/s/d"),
              "clone": ("c/d", "c/d")}
    same("at first")
    same("the other way round", reversed(USERS))

    # Changed through this mount: at once. The names stay what they are.
    for top in (v + "/d/", gw.mnt + "/c/d/"):
        t.run_as(t.A, t.A, os.chmod, top + "755/666", 0o600)
        t.run_as(t.A, t.A, os.chmod, top + "711/600", 0o644)
        t.run_as(t.A, t.A, os.chmod, top + "750", 0o700)
        t.run_as(t.A, t.A, os.chmod, top + "700", 0o755)
        os.chown(top + "755/600", t.B, t.B)
        os.chown(top + "755/060", t.B, t.A)
        os.chmod(top + "755/060", 0o060)
    same("changed here")

    # By another client: a file at once, a directory as soon as what is known of it is old.
    behind = sim.path() + "/d/", sim.path("c") + "/d/"
    for top in behind:
        os.chmod(top + "755/640", 0o600)
        os.chown(top + "711/666", t.B, t.B)
        os.chmod(top + "711/666", 0o600)
    for user in USERS:
        wrong = [w for w in differences(user) if " stat " not in w]
        t.ok(not wrong, "files changed elsewhere:\n" + "\n".join(wrong))
    for top in behind:
        os.chmod(top + "755", 0o700)
        os.chown(top + "711", t.B, t.TEAM)
        os.chmod(top + "711", 0o710)
    for user in USERS:
        t.wait_for(lambda u=user: not differences(u), "directories changed elsewhere to be seen by " + user, 30)

    # Root squashed. What the server once granted in a snapshot is kept, so a new mount is asked.
    t.rest_export_rules({"superuser": ["none"]}, sim.dir)
    t.wait_for(lambda: t.errno_of(read, v + "/d/711/666") == errno.EACCES, "root to be squashed", 30)
    t.expect(errno.EACCES, os.listdir, v + "/d/750")
    t.run_as(t.A, t.A, os.chmod, v + "/d/750", 0o755)
    os.listdir(v + "/d/750")  # a refusal is not kept, either
    with t.second_mount(sim=sim.dir) as gw:
        same("root squashed", [*USERS, "root"], True)
