#!/usr/bin/env python3
"""What reads works in a snapshot as in the live tree, and what writes is told EROFS there and breaks nothing: git (status, log, clone, gc, commit), pip and an installed package, programs of a conda-like environment, tar and rsync from it, vim's and Jupyter's saves, SQLite, pathlib, shutil, tempfile."""
# time-limit: 120
# cells: create/snapshot write/snapshot rename/snapshot unlink/snapshot
import errno
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import ontapfs_test as t

t.need("git", "rsync", "tar")
c = t.CASE
ENV = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_COUNT": "1",
       "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
EROFS = os.strerror(errno.EROFS)


def tool(*cmd, **env):
    """(exit status, words) of a command."""
    p = t.run(*cmd, check=False, env={**ENV, **env})
    return p.returncode, p.stdout + p.stderr


def refused(*cmd, said=EROFS, **env):
    status, words = tool(*cmd, **env)
    t.ok(status != 0 and said in words, "%s: exit %d, %s" % (" ".join(cmd), status, words))


def content(top):
    return {os.path.relpath(os.path.join(d, n), top): t.read(os.path.join(d, n))
            for d, _, files in os.walk(top) for n in files if not os.path.islink(os.path.join(d, n))}


# ---- what is there when the snapshot is taken ----
os.mkdir(c + "/repo")
for words in (("init", "-q", "-b", "main"), ("config", "gc.auto", "0")):
    t.run("git", "-C", c + "/repo", *words, env=ENV)
for i in range(5):
    t.write("%s/repo/f%d" % (c, i), "content %d\n" % i)
t.run("git", "-C", c + "/repo", "add", ".", env=ENV)
t.run("git", "-C", c + "/repo", "commit", "-q", "-m", "one", env=ENV)
os.makedirs(c + "/env/bin")
os.makedirs(c + "/env/lib/pkg")
t.write(c + "/env/lib/pkg/__init__.py", "def answer():\n    return 42\n")
t.write(c + "/env/lib/tool.sh", "#!/bin/sh\necho it runs\n", mode=0o755)
os.link(c + "/env/lib/tool.sh", c + "/env/bin/tool")
os.symlink("../lib/tool.sh", c + "/env/bin/linked")
for mode in ("DELETE", "WAL"):
    db = sqlite3.connect("%s/%s.db" % (c, mode))
    db.execute("PRAGMA journal_mode=" + mode)
    with db:
        db.execute("CREATE TABLE x(a)")
        db.executemany("INSERT INTO x VALUES (?)", ((i,) for i in range(100)))
    db.close()
t.write(c + "/notes.txt", "v0")
t.write(c + "/n.ipynb", "{}")
t.take()
s = t.in_snap()
before = content(s)

# ---- git ----
git = ("git", "-C", s + "/repo")
t.eq(tool(*git, "status", "--porcelain"), (0, ""), "git status")
t.eq(tool(*git, "log", "--format=%s"), (0, "one\n"), "git log")
t.eq(tool(*git, "fsck", "--strict")[0], 0, "git fsck")
t.eq(tool(*git, "show", "HEAD:f3"), (0, "content 3\n"), "git show")
t.eq(tool("git", "clone", "-q", s + "/repo", c + "/cloned")[0], 0, "git clone out of it")
t.eq(t.read(c + "/cloned/f4"), b"content 4\n", "what was cloned")
refused(*git, "commit", "-q", "--allow-empty", "-m", "two")
refused(*git, "gc", "-q")
refused("git", "clone", "-q", c + "/repo", s + "/cloned")

# ---- packages and programs ----
code = "import pkg; print(pkg.answer(), pkg.__file__)"
for path in (c, s):
    t.eq(tool(sys.executable, "-c", code, PYTHONPATH=path + "/env/lib", PYTHONDONTWRITEBYTECODE=""),
         (0, "42 %s/env/lib/pkg/__init__.py\n" % path), "a package of " + path)
    for name in ("tool", "linked"):
        t.eq(tool("%s/env/bin/%s" % (path, name)), (0, "it runs\n"), "a program of " + path)
if tool(sys.executable, "-m", "pip", "--version")[0] == 0:
    refused(sys.executable, "-m", "pip", "install", "-q", "--no-index", "--target", s + "/site", s + "/repo",
            said="", PIP_DISABLE_PIP_VERSION_CHECK="1")
    t.ok(not os.path.lexists(s + "/site"), "pip made nothing")

# ---- copies ----
t.run("rsync", "-aHX", s + "/env/", c + "/rsynced/")
t.run("rsync", "-aHX", "--checksum", s + "/env/", c + "/rsynced/")
refused("rsync", "-aHX", c + "/repo/", s + "/env/")
t.run("tar", "-C", s, "-cf", c + "/t.tar", "env", "repo")
os.mkdir(c + "/untarred")
t.run("tar", "-C", c + "/untarred", "-xf", c + "/t.tar")
t.run("tar", "--compare", "-C", s, "-f", c + "/t.tar")
refused("tar", "-C", s, "-xf", c + "/t.tar")
t.ok(content(c + "/rsynced") == content(s + "/env"), "what rsync copied")

# ---- saves ----
for fn, args in ((os.open, (s + "/4913", os.O_CREAT | os.O_EXCL | os.O_WRONLY)), (os.rename, (s + "/notes.txt", s + "/notes.txt~")),
                 (os.open, (s + "/notes.txt", os.O_WRONLY)), (os.open, (s + "/notes.txt", os.O_RDWR | os.O_TRUNC)),
                 (os.mkdir, (s + "/.ipynb_checkpoints",)), (os.replace, (s + "/n.ipynb", s + "/notes.txt")),
                 (shutil.copy2, (c + "/n.ipynb", s + "/n2.ipynb")), (pathlib.Path(s, "new").write_text, ("x",)),
                 (pathlib.Path(s, "notes.txt").touch, ()), (pathlib.Path(s, "notes.txt").unlink, ())):
    t.expect(errno.EROFS, fn, *args)
for make in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile, tempfile.TemporaryDirectory):
    t.expect(errno.EROFS, make, dir=s)
shutil.copy2(s + "/n.ipynb", c + "/restored.ipynb")
t.eq(os.stat(c + "/restored.ipynb").st_mtime_ns, os.stat(s + "/n.ipynb").st_mtime_ns, "copy2 keeps the time")

# ---- SQLite ----
for mode, how in (("DELETE", "mode=ro"), ("DELETE", "mode=rw"), ("DELETE", "immutable=1"), ("WAL", "immutable=1")):
    db = sqlite3.connect("file:%s/%s.db?%s" % (s, mode, how), uri=True)
    t.eq(db.execute("SELECT sum(a), count(*) FROM x").fetchone(), (4950, 100), "SQLite, %s, %s" % (mode, how))
    try:
        db.execute("INSERT INTO x VALUES (1)")
        t.fail("SQLite wrote into a snapshot")
    except sqlite3.OperationalError as e:
        t.ok("readonly" in str(e), "SQLite, insert: %s" % e)
    db.close()

# ---- pathlib, shutil ----
t.eq(sorted(p.name for p in pathlib.Path(s).glob("env/**/*") if p.is_file()), ["__init__.py", "linked", "tool", "tool.sh"],
     "glob")
t.ok(pathlib.Path(s, "env/bin/tool").samefile(pathlib.Path(s, "env/lib/tool.sh")), "samefile in it")
t.ok(not pathlib.Path(s, "env/bin/tool").samefile(pathlib.Path(c, "env/bin/tool")), "samefile, live and frozen")
shutil.copytree(s + "/repo", c + "/copied", symlinks=True)
t.ok(content(c + "/copied") == content(s + "/repo"), "copytree")
t.expect((errno.EROFS, errno.EACCES), shutil.rmtree, s + "/env")
t.ok(content(s) == before, "the snapshot is as it was")
