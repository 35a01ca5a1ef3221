#!/bin/bash
# umount(8) returns before the processes of the mount have ended; to mount there again works at once.
# needs: own-mount
. "$TOP/tests/lib/common.sh"

SIM=$WORK/sim MNT=$WORK/mnt
sim_up "$SIM"
mkdir "$MNT"
own_mounts+=("$MNT")
for i in 1 2 3 4 5; do
	timeout 60 "$ONTAPFS" mount "$SIM/backend.json" "$MNT" || fail "mount $i: exit $?"
	echo "$i" >"$MNT/project1/file" || fail "mount $i is not usable"
	umount "$MNT" || fail "umount $i: exit $?"
done
# Where one is mounted, another is refused as before, and at once.
timeout 60 "$ONTAPFS" mount "$SIM/backend.json" "$MNT" || fail "exit $?"
assert_fails "$ONTAPFS" mount "$SIM/backend.json" "$MNT"
grep -q "mounted there already" "$WORK/out" || fail "said: $(<"$WORK/out")"
mount_down "$MNT"
