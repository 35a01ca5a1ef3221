#!/usr/bin/env python3
"""git (clone, commit, gc, status), pip install of a local wheel, tar, rsync -aHX, saving as editors and Jupyter do, sqlite3, pathlib, shutil and tempfile work on the live tree; reading ones on a snapshot, which stays as it was."""
# time-limit: 180
# cells: rename/live link/live copy/live
import base64
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import zipfile
import ontapfs_test as t

c = t.CASE
ENV = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_COUNT": "1",
       "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "PIP_NO_INDEX": "1",
       "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def git(where, *words):
    return t.run("git", "-C", where, *words, env=ENV).stdout


def tree(top):
    """{relative name: what it is, with mode, mtime, target or content}."""
    out = {}
    for d, dirs, files in os.walk(top):
        for n in dirs + files:
            p = os.path.join(d, n)
            st = os.lstat(p)
            what = os.readlink(p) if os.path.islink(p) else t.read(p) if os.path.isfile(p) else b""
            # The time of a directory changes as it is filled.
            when = st.st_mtime_ns if os.path.isfile(p) and not os.path.islink(p) else 0
            out[os.path.relpath(p, top)] = (oct(st.st_mode), when, what)
    return out


def made_tree(top):
    """Like the package directories of conda: many small files, hard links, links, programs, fine times."""
    for i in range(8):
        d = "%s/pkgs/p%d-1.%d" % (top, i, i)
        os.makedirs(d + "/lib")
        os.makedirs("%s/envs/e/lib/p%d" % (top, i), exist_ok=True)
        for j in range(4):
            f = "%s/lib/m%d.py" % (d, j)
            t.write(f, "x = %d\n" % (i * j), mode=0o755 if j == 0 else 0o640)
            os.utime(f, ns=(10 ** 18 + i, 10 ** 18 + 10 ** 9 * i + j))
            os.link(f, "%s/envs/e/lib/p%d/m%d.py" % (top, i, j))
        os.symlink("../../pkgs/p%d-1.%d/lib" % (i, i), "%s/envs/e/link%d" % (top, i))


def use_git():
    t.need("git")
    a, b = c + "/a", c + "/b"
    os.mkdir(a)
    git(a, "init", "-q", "-b", "main")
    for i in range(20):
        t.write("%s/f%d" % (a, i), "content %d\n" % i * 50)
    git(a, "add", ".")
    git(a, "commit", "-q", "-m", "one")
    t.run("git", "clone", "-q", a, b, env=ENV)
    t.write(b + "/f1", "changed\n")
    t.eq(git(b, "status", "--porcelain"), " M f1\n", "status")
    git(b, "commit", "-q", "-am", "two")
    git(b, "push", "-q", "origin", "HEAD:other")
    git(b, "gc", "-q", "--prune=now")
    git(b, "fsck", "--strict")
    t.take("git")
    frozen = t.in_snap("git")
    git(b, "checkout", "-q", "-b", "later", "HEAD~1")
    t.eq(git(frozen + "/b", "log", "--format=%s").split(), ["two", "one"], "log in the snapshot")
    t.eq(git(frozen + "/b", "--no-optional-locks", "status", "--porcelain"), "", "status in the snapshot")
    t.run("git", "clone", "-q", frozen + "/b", c + "/restored", env=ENV)
    t.eq(t.read(c + "/restored/f1"), b"changed\n", "cloned out of the snapshot")


def use_pip():
    body = b"def answer():\n    return 42\n"
    files = {"small/__init__.py": body,
             "small-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
             "small-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join("%s,sha256=%s,%d\n" % (n, base64.urlsafe_b64encode(hashlib.sha256(d).digest()).decode().rstrip("="),
                                            len(d)) for n, d in files.items())
    wheel = c + "/small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        for n, d in {**files, "small-1.0.dist-info/RECORD": record + "small-1.0.dist-info/RECORD,,\n"}.items():
            z.writestr(n, d)
    if t.run(sys.executable, "-m", "pip", "--version", check=False).returncode:
        print("pip is not there: left out")
        return
    for _ in range(2):  # the second replaces the first
        t.run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--force-reinstall", "--target",
              c + "/site", wheel, env=ENV, timeout=120)
    code = "import small; print(small.answer())"
    t.eq(t.run(sys.executable, "-c", code, env={**ENV, "PYTHONPATH": c + "/site"}).stdout, "42\n", "the package")


def use_copies():
    t.need("rsync", "tar")
    made_tree(c + "/conda")
    want = tree(c + "/conda")
    t.take("tree")
    frozen = t.in_snap("tree") + "/conda"
    t.ok(tree(frozen) == want, "in the snapshot")
    for n, source in enumerate((c + "/conda", frozen)):
        t.run("rsync", "-aHX", source + "/", "%s/r%d/" % (c, n))
        t.ok(tree("%s/r%d" % (c, n)) == want, "rsync of " + source)
        again = t.run("rsync", "-aHXin", source + "/", "%s/r%d/" % (c, n)).stdout
        # Ganesha answers success and leaves the times of a symlink alone.
        kept = (".d..t", ".L..t") if t.SIM_NFS == "ganesha" else ".d..t"
        t.eq([x for x in again.splitlines() if not x.startswith(kept)], [], "a second rsync finds nothing to do")
        t.eq(os.stat("%s/r%d/pkgs/p3-1.3/lib/m1.py" % (c, n)).st_nlink, 2, "hard links are kept")
        t.run("tar", "-C", source, "-cf", "%s/t%d.tar" % (c, n), ".")
        os.mkdir("%s/t%d" % (c, n))
        t.run("tar", "-C", "%s/t%d" % (c, n), "-xpf", "%s/t%d.tar" % (c, n))
        t.ok({k: (v[0], v[1] // 10 ** 9, v[2]) for k, v in tree("%s/t%d" % (c, n)).items()} ==
             {k: (v[0], v[1] // 10 ** 9, v[2]) for k, v in want.items()}, "tar of " + source)
    t.run("tar", "--compare", "-C", frozen, "-f", c + "/t0.tar")
    shutil.copytree(frozen, c + "/copied", symlinks=True)
    t.ok(tree(c + "/copied") == want, "shutil.copytree")
    shutil.rmtree(c + "/conda")
    shutil.move(c + "/copied", c + "/conda")
    t.ok(tree(c + "/conda") == want and tree(frozen) == want, "restored by a move; the snapshot is as it was")


def save_like_editors():
    f = c + "/notes.txt"
    t.write(f, "v0")
    for i in range(1, 4):
        # vim: a try with the number 4913, the old file to f~, a new one in its place, synced.
        for k in (4913, 4913 + 123):
            os.close(os.open("%s/%d" % (c, k), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o644))
            os.chown("%s/%d" % (c, k), 0, 0)
            os.unlink("%s/%d" % (c, k))
        os.rename(f, f + "~")
        fd = os.open(f, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, b"v%d" % i)
        os.fsync(fd)
        os.close(fd)
        os.chmod(f, 0o644)
        t.eq((t.read(f), t.read(f + "~")), (b"v%d" % i, b"v%d" % (i - 1)), "vim's way")
        os.unlink(f + "~")
    # Jupyter: a hidden temporary file beside it, renamed over; a checkpoint copied with its times.
    book, kept = c + "/n.ipynb", c + "/.ipynb_checkpoints/n-checkpoint.ipynb"
    os.mkdir(os.path.dirname(kept))
    for i in range(3):
        t.write(c + "/.~n.ipynb", json.dumps({"cells": [i] * 1000}))
        os.replace(c + "/.~n.ipynb", book)
        shutil.copy2(book, kept)
        t.eq((json.loads(t.read(kept))["cells"][0], os.stat(kept).st_mtime_ns), (i, os.stat(book).st_mtime_ns), "checkpoint")
    t.eq(sorted(n for n in os.listdir(c) if n.startswith(".nfs")), [], "nothing left behind")


def use_python():
    p = pathlib.Path(c) / "lib" / "deep" / "er"
    p.mkdir(parents=True)
    (p / "a").write_text("grün", encoding="utf-8")
    (p / "a").rename(p / "b").replace(p / "c")
    (p / "d").symlink_to("c")
    (p / "e").hardlink_to(p / "c")
    (p / "c").touch()
    t.eq(sorted(x.name for x in pathlib.Path(c).glob("lib/**/[cde]")), ["c", "d", "e"], "glob")
    t.ok((p / "e").samefile(p / "d") and (p / "d").read_text(encoding="utf-8") == "grün", "samefile")
    with tempfile.TemporaryDirectory(dir=c) as d, tempfile.NamedTemporaryFile(dir=d) as one, \
            tempfile.TemporaryFile(dir=d) as two, tempfile.SpooledTemporaryFile(10, dir=d) as three:
        for f in (one, two, three):
            f.write(b"x" * 1000)
            f.seek(0)
            t.eq(len(f.read()), 1000, "a temporary file")
    t.ok(not os.path.exists(d), "TemporaryDirectory is gone")
    for mode in ("DELETE", "TRUNCATE", "WAL"):
        db = sqlite3.connect("%s/%s.db" % (c, mode))
        t.eq(db.execute("PRAGMA journal_mode=" + mode).fetchone()[0].upper(), mode, "journal")
        other = sqlite3.connect("%s/%s.db" % (c, mode))
        db.execute("CREATE TABLE x(a)")
        for i in range(6):
            with (db if i % 2 else other) as k:
                k.execute("INSERT INTO x VALUES (?)", (i,))
        t.eq(other.execute("SELECT sum(a), count(*) FROM x").fetchone(), (15, 6), "sqlite, " + mode)
        t.eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "sqlite, " + mode)
        db.close()
        other.close()


for part in (use_python, save_like_editors, use_pip, use_copies, use_git):
    part()
