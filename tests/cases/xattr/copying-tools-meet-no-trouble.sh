#!/bin/bash
# cp -a, rsync -aHAX, tar --xattrs and ls -l neither fail nor carry our attributes.
. "$TOP/tests/lib/common.sh"

cd "$CASE"
mkdir -p src/sub
printf 'x\n' >src/f
printf 'y\n' >src/sub/g
ln src/f src/hard
ln -s f src/link
chmod 640 src/f
touch -d '2020-01-02 03:04:05.123456789' src/f
cp -a src copy || fail "cp -a: exit $?"
diff -r src copy
assert_eq "$(stat -c '%a %Y %h' copy/f)" "$(stat -c '%a %Y %h' src/f)" "mode, time and links after cp -a"
mkdir "$MNT/project1/.snapshots/${SNAP}a"
frozen=$MNT/project1/.snapshots/${SNAP}a/$(basename "$CASE")
cp -a "$frozen/src" restored || fail "cp -a out of the snapshot: exit $?"
diff -r src restored
cp -a src "$WORK/local" || fail "cp -a to a local file system: exit $?"
ls -lR "$frozen" >"$WORK/ls" 2>"$WORK/ls.err" || fail "ls -lR: $(cat "$WORK/ls.err")"
assert_eq "$(wc -c <"$WORK/ls.err")" 0 "complaints of ls"
tar --xattrs -cf "$WORK/t.tar" src || fail "tar --xattrs"
if command -v rsync >/dev/null; then
	rsync -aHAX src/ synced/ 2>"$WORK/rsync.err" || rsync -aHX src/ synced/ || fail "rsync: $(cat "$WORK/rsync.err")"
	diff -r src synced
	assert_eq "$(rsync -aHn --itemize-changes src/ synced/)" "" "a second rsync finds nothing to do"
fi
if command -v getfattr >/dev/null; then
	assert_eq "$(getfattr -d -m - src/f "$frozen/src/f" 2>&1)" "" "getfattr -d -m -"
	assert_eq "$(getfattr --only-values -n ontap.kind src/f)" file "getfattr of one of ours"
fi
