#!/bin/bash
# ls, find, du, grep -r, stat, wc, md5sum and a cp restore work on frozen files; find and du of a volume do not descend into snapshots.
. "$TOP/tests/lib/common.sh"

cd "$CASE"
mkdir -p a/b/c
for i in 1 2 3 4 5; do
	head -c 20000 /dev/zero >"a/b/f$i"
	printf 'needle %s\n' "$i" >"a/b/c/t$i"
done
s=$MNT/project1/.snapshots/${SNAP}s
mkdir "$s"
frozen=$s/$(basename "$CASE")
assert_eq "$(find "$frozen" -type f | wc -l)" 10 "files found in the snapshot"
assert_eq "$(find . -type f | wc -l)" 10 "files found in live"
assert_eq "$(grep -rl 'needle 3' "$frozen" | wc -l)" 1 "grep -r"
assert_eq "$(cd "$frozen" && md5sum a/b/f1)" "$(md5sum a/b/f1)" "md5sum"
assert_eq "$(du -s --apparent-size "$frozen" | cut -f1)" "$(du -s --apparent-size . | cut -f1)" "du"
before=$(find "$MNT/project1" | wc -l)
mkdir "$MNT/project1/.snapshots/${SNAP}t"
after=$(find "$CASE" | wc -l)
assert_eq "$(find "$MNT/project1" -path '*/.snapshots*' | wc -l)" 0 "find does not descend"
[[ $before -ge $after ]] || fail "find of the volume finds less than of one directory"
rm -rf a
cp -a "$frozen/a" .
assert_eq "$(find . -type f | wc -l)" 10 "files after the restore"
ls -lt "$MNT/project1/.snapshots" >"$WORK/ls"
grep -q "${SNAP}s" "$WORK/ls" || fail "ls -lt of .snapshots"
cd "$frozen"
assert_eq "$(pwd -P)" "$frozen" "pwd in the snapshot"
