#!/usr/bin/env bash
# From a bind mount of one volume in another mount name space: snapshots are
# listed and made, clones made and written, all by paths below that volume.
# needs: own-mount
# cells: mkdir/snapdir symlink/clonedir mkdir/clonedir rmdir/snapdir
. "$TOP/tests/lib/common.sh"

own_mount ""
printf base >"$MNT/project1/f"
mkdir "$MNT/project1/.snapshots/run1" "$WORK/other"
printf later >"$MNT/project1/f"
cat >"$WORK/pod" <<'END'
set -eu
mount --make-rprivate /
mount --bind "$1/project1" "$2/other"
umount "$1"
cd "$2/other"
[ "$(ls .snapshots)" = run1 ]
mkdir .snapshots/run2
ln -s ../.snapshots/run2 .clones/x
[ "$(cat .clones/x/f)" = later ]
printf mine >.clones/x/f
printf more >.clones/x/g
[ "$(cat f)" = later ]
[ "$(cat .snapshots/run2/f)" = later ]
ln -s "$PWD/.snapshots/run1" .clones/y
[ "$(cat .clones/y/f)" = base ]
mkdir .clones/z
[ "$(cat .clones/z/f)" = later ]
cd .clones/x
mkdir .snapshots/inner
[ "$(pwd -P)" = "$2/other/.clones/x" ]
cd ..
[ "$(ls .)" = "x
y
z" ]
rmdir ../.snapshots/run1 2>/dev/null && exit 1
rm z/f
rmdir z
END
unshare -m sh "$WORK/pod" "$MNT" "$WORK" || fail "in the pod: exit $?"
[ "$(cat "$MNT/x/g")" = more ] || fail "the clone, from outside"
[ "$(readlink "$MNT/x")" = project1/.clones/x ] || fail "its link at the root"
[ -d "$MNT/project1/.snapshots/run2" ] || fail "the pod's snapshot"
[ ! -e "$MNT/z" ] || fail "the deleted clone is still at the root"
