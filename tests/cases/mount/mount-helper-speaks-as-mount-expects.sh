#!/bin/bash
# As mount.ontapfs the program takes what mount(8) gives: SOURCE DIR -o words, -f -n -s -v; exit 32 when it fails.
# needs: own-mount
. "$TOP/tests/lib/common.sh"

SIM=$WORK/sim MNT=$WORK/mnt
sim_up "$SIM"
mkdir "$MNT"
ln -s "$ONTAPFS" "$WORK/mount.ontapfs"
ln -s "$BUILD/ontapfs-hold" "$WORK/ontapfs-hold"
helper=$WORK/mount.ontapfs
own_mounts+=("$MNT")

timeout 60 "$helper" "$SIM/backend.json" "$MNT" -f -o rw || fail "-f: exit $?"
is_mounted "$MNT" && fail "-f must not mount"
timeout 60 "$helper" "$SIM/backend.json" "$MNT" -n -v -o rw,noauto,_netdev,nofail,x-systemd.automount,attr_timeout=2 ||
	fail "exit $?"
is_mounted "$MNT" || fail "not mounted"
read -r type opts < <(awk -v m="$MNT" '$5 == m { for (i = 1; i <= NF; i++) if ($i == "-") print $(i + 1), $6 }' /proc/self/mountinfo)
assert_match "$type" '^fuse' "type of the mount"
assert_match "$opts" 'nosuid' "options of the mount"
assert_match "$opts" 'nodev' "options of the mount"
[[ -d $MNT/project1 ]] || fail "no project1 in the mount"
status=0
timeout 60 "$helper" "$SIM/backend.json" "$MNT" 2>"$WORK/err" || status=$?
assert_eq "$status" 32 "exit status of a second mount"
assert_eq "$(wc -l <"$WORK/err")" 1 "lines said"
mount_down "$MNT"
timeout 60 "$helper" "$SIM/backend.json" "$MNT" -o ro || fail "ro: exit $?"
assert_errno EROFS create "$MNT/project1/x"
mount_down "$MNT"
# The kernel's own word for it, where the helper is installed.
if [[ -e /sbin/mount.ontapfs ]]; then
	mount -t ontapfs "$SIM/backend.json" "$MNT" || fail "mount -t ontapfs: exit $?"
	is_mounted "$MNT" || fail "mount -t ontapfs did not mount"
	umount "$MNT"
fi
