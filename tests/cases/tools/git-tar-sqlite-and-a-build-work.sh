#!/bin/bash
# git, tar, sqlite and a small C build in the live tree; the snapshot before them stays as it was.
# time-limit: 120
. "$TOP/tests/lib/common.sh"
need git

cd "$CASE"
mkdir "$MNT/project1/.snapshots/${SNAP}before"
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git -c init.defaultBranch=main init -q repo
git config --global --add safe.directory '*'
cd repo
cp -r "$TOP/fs/base" code
git add -A
git commit -q -m first
assert_eq "$(git status --porcelain)" "" "git status after commit"
printf '/* change */\n' >>code/log.h
assert_eq "$(git status --porcelain)" " M code/log.h" "git status after a change"
git commit -q -a -m second
git checkout -q -b side HEAD~1
git merge -q main
git gc -q
git fsck --strict 2>"$WORK/fsck" || fail "git fsck: $(cat "$WORK/fsck")"
assert_eq "$(git log --oneline | wc -l)" 2 "commits"
cd ..
git clone -q repo clone
diff -r -x .git repo clone

tar -cf t.tar -C "$TOP" fs mk
mkdir x
tar -xf t.tar -C x
diff -r "$TOP/fs" x/fs
diff -r "$TOP/mk" x/mk

python3 - <<'PY'
import sqlite3
db = sqlite3.connect("data.db")
for mode in ("delete", "truncate"):
    db.execute("pragma journal_mode=" + mode)
    with db:
        db.execute("create table if not exists t (k integer primary key, v text)")
    for i in range(20):
        with db:
            db.execute("insert into t (v) values (?)", ("value %d" % i,))
    try:
        with db:
            db.execute("insert into t (v) values ('undone')")
            raise RuntimeError
    except RuntimeError:
        pass
assert db.execute("select count(*) from t").fetchone() == (40,)
assert db.execute("pragma integrity_check").fetchone() == ("ok",)
other = sqlite3.connect("data.db")
assert other.execute("select max(k) from t").fetchone() == (40,)
PY

printf '#include <stdio.h>\nint main(void) { return puts("built here") < 0; }\n' >hello.c
if command -v gcc >/dev/null; then
	gcc -o hello hello.c
	assert_eq "$(./hello)" "built here" "a program built on the mount"
fi
assert_eq "$(ls -A "$MNT/project1/.snapshots/${SNAP}before/$(basename "$CASE")")" "" "the snapshot before"
