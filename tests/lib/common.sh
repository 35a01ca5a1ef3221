# Helpers of the shell cases. A case starts with:
#     . "$TOP/tests/lib/common.sh"
# and ends with exit 0 when the behaviour holds. tests/run says what the
# environment holds: WORK, and on the shared fixture SIM MNT CASE STORE SNAP.
# shellcheck shell=bash
set -euo pipefail

: "${TOP:?run cases through tests/run}" "${BUILD:?}" "${WORK:?}"
ONTAPFS=$BUILD/ontapfs
ONTAPSIM=$BUILD/ontapsim
# Two people; group TEAM is shared only where a case says so.
A=10001 B=10002 TEAM=10010
export ONTAPFS ONTAPSIM A B TEAM

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

skip() {
	printf 'skip: %s\n' "$*"
	exit 77
}

need() {
	local p
	for p; do
		command -v "$p" >/dev/null || skip "$p is not installed"
	done
}

# assert_eq GOT WANT WHAT
assert_eq() {
	[[ $1 == "$2" ]] || fail "$3: got '$1', want '$2'"
}

# assert_match TEXT EXTENDED-REGEX WHAT
assert_match() {
	[[ $1 =~ $2 ]] || fail "$3: '$1' does not match '$2'"
}

# errno_of [--as UID:GID[:GROUPS]] OP ARGS...: prints the errno's name or `success`.
errno_of() {
	timeout 30 python3 "$TOP/tests/lib/op.py" "$@"
}

# assert_errno ERRNO [--as UID:GID[:GROUPS]] OP ARGS...  (ERRNO may be `success`)
assert_errno() {
	local want=$1 got
	shift
	got=$(errno_of "$@") || fail "op $*: the helper failed"
	[[ $got == "$want" ]] || fail "$*: got $got, want $want"
}

# assert_fails COMMAND...: the exit status must not be 0; output goes to $WORK/out.
assert_fails() {
	if timeout 60 "$@" >"$WORK/out" 2>&1; then
		fail "$* should fail, but exits 0"
	fi
}

# as UID COMMAND...: as that user, own group, no others.
as() {
	local id=$1
	shift
	setpriv --reuid "$id" --regid "$id" --clear-groups -- "$@"
}

# as_in UID GROUP,GROUP COMMAND...
as_in() {
	local id=$1 groups=$2
	shift 2
	setpriv --reuid "$id" --regid "$id" --groups "$groups" -- "$@"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || fail "waited in vain for: $*"
		read -r -t 0.05 <> <(:) || :
	done
}

# stat_of METRIC [LABELS]: sum of the samples, e.g. stat_of ontapfs_nfs_calls_total 'proc="READ"'
stat_of() {
	awk -v name="$1" -v labels="${2-}" '
		$1 !~ /^#/ { split($1, part, "{"); if (part[1] == name && (labels == "" || index($1, labels))) sum += $NF }
		END { printf "%d\n", sum }' "${STATS_MNT:-$MNT}/.ontap/stats"
}

# rest METHOD PATH [JSON]: with the SVM's account; prints the body. SIM names the simulator.
rest() {
	local host user
	host=$(jq -r '.managementLIF + ":" + (.ontapfs.restPort // 443 | tostring)' "$SIM/backend.json")
	user=$(jq -r '.username + ":" + .password' "$SIM/backend.json")
	# The account goes in by stdin: command lines are public.
	printf 'user = "%s"\n' "$user" |
		curl -sS -k --max-time 30 -K - -X "$1" -H 'Accept: application/json' \
			-H 'Content-Type: application/json' ${3:+-d "$3"} "https://$host/api$2"
}

# store VOLUME[@SNAPSHOT]: the directory behind the server.
store() {
	"$ONTAPSIM" path "$SIM" "$1"
}

# ---- a simulator and mounts of one's own (cases with `# needs: own-mount`) ----
own_sims=() own_mounts=()

# sim_up DIR [OPTION...]
sim_up() {
	own_sims+=("$1")
	timeout 60 "$ONTAPSIM" up "$@" ${SIM_NFS:+--nfs="$SIM_NFS"} >>"$1.log" 2>&1 </dev/null || fail "ontapsim up $*: $(tail -5 "$1.log")"
}

# mount_up SOURCE MOUNTPOINT [OPTIONS]: the daemon's log is MOUNTPOINT.log
mount_up() {
	mkdir -p "$2"
	own_mounts+=("$2")
	timeout 60 "$ONTAPFS" mount --log "$2.log" "$1" "$2" ${3:+-o "$3"} >"$2.said" 2>&1 </dev/null ||
		fail "ontapfs mount $*: $(cat "$2.said") $(tail -5 "$2.log")"
}

mount_down() {
	timeout 30 "$ONTAPFS" umount "$1" >>"$1.log" 2>&1 </dev/null || fail "ontapfs umount $1: $(tail -5 "$1.log")"
}

# force_unmount MOUNTPOINT: frees a hung mount too.
force_unmount() {
	local dev
	dev=$(awk -v m="$1" '$5 == m { print $3 }' /proc/self/mountinfo | tail -1)
	[[ -n $dev ]] || return 0
	{ echo 1 >"/sys/fs/fuse/connections/${dev#*:}/abort"; } 2>/dev/null || :
	umount -l "$1" 2>/dev/null || :
}

is_mounted() {
	awk -v m="$1" '$5 == m { found = 1 } END { exit !found }' /proc/self/mountinfo
}

own_cleanup() {
	local status=$? x
	for x in "${own_mounts[@]}"; do
		if is_mounted "$x"; then
			timeout 10 "$ONTAPFS" umount "$x" >>"$x.log" 2>&1 </dev/null || :
			force_unmount "$x"
		fi
	done
	for x in "${own_sims[@]}"; do
		timeout 60 "$ONTAPSIM" destroy "$x" >>"$x.log" 2>&1 </dev/null || :
	done
	exit "$status"
}
trap own_cleanup EXIT

# Own simulator and mount in one: sets SIM MNT STORE. own_mount [MOUNT-OPTIONS] [SIM-OPTION...]
own_mount() {
	local opts=${1-}
	shift || :
	SIM=$WORK/sim MNT=$WORK/mnt
	sim_up "$SIM" "$@"
	mount_up "$SIM/backend.json" "$MNT" "$opts"
	STORE=$(store project1)
	export SIM MNT STORE
}
