#!/bin/bash
# cmp, diff -r, tar, cp and cp -a between live and a snapshot give true answers.
. "$TOP/tests/lib/common.sh"

cd "$CASE"
mkdir d
printf 'one\n' >d/changed
printf 'same\n' >d/same
printf 'gone\n' >d/removed
s=$MNT/project1/.snapshots/${SNAP}a
mkdir "$s"
old=$s/$(basename "$CASE")
printf 'two\n' >d/changed
rm d/removed
printf 'new\n' >d/added

cmp -s d/same "$old/d/same" || fail "cmp: equal files differ"
if cmp -s d/changed "$old/d/changed"; then fail "cmp: the changed file is called equal"; fi
diff -r "$old/d" d >"$WORK/diff" && fail "diff -r sees no difference"
assert_eq "$(grep -c -E '^(Only in|diff )' "$WORK/diff")" 3 "differences of diff -r"
grep -q "Only in $old/d: removed" "$WORK/diff" || fail "diff -r misses the removed file"
grep -q 'Only in d: added' "$WORK/diff" || fail "diff -r misses the added file"

# One archive of both: hard links by inode number would hold one version twice.
tar -C "$MNT/project1" -cf "$WORK/both.tar" "$(basename "$CASE")/d" ".snapshots/${SNAP}a/$(basename "$CASE")/d"
mkdir "$WORK/x"
tar -C "$WORK/x" -xf "$WORK/both.tar"
assert_eq "$(cat "$WORK/x/$(basename "$CASE")/d/changed")" two "live version in the archive"
assert_eq "$(cat "$WORK/x/.snapshots/${SNAP}a/$(basename "$CASE")/d/changed")" one "frozen version in the archive"

cp "$old/d/changed" d/changed
assert_eq "$(cat d/changed)" one "cp from the snapshot over its live version"
cp -a "$old/d" restored
diff -r "$old/d" restored || fail "cp -a restored another tree"
assert_eq "$(stat -c '%Y %a' restored/removed)" "$(stat -c '%Y %a' "$old/d/removed")" "time and mode after cp -a"
