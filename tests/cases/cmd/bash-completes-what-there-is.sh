#!/bin/bash
# Completion offers every command of the program, its options, and the mounts.
. "$TOP/tests/lib/common.sh"
. "$TOP/packaging/completion/ontapfs.bash"

# offers WORD...: what is offered for the last of them, in COMPREPLY.
offers() {
	COMP_WORDS=("$ONTAPFS" "$@")
	COMP_CWORD=$#
	_ontapfs
}

complete -p ontapfs | grep -q -- '-F _ontapfs' || fail "bash does not know it"
offers ''
commands=$("$ONTAPFS" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort)
assert_eq "$(printf '%s\n' "${COMPREPLY[@]}" | grep -v '^-' | sort)" "$commands" "commands"
[[ $commands == *mount* ]] || fail "the program names no commands"
offers re
assert_eq "${COMPREPLY[*]}" "restore" "what begins with re"
offers status --js
assert_eq "${COMPREPLY[*]}" "--json" "options of status"
offers umount "$MNT"
[[ " ${COMPREPLY[*]} " == *" $MNT "* ]] || fail "$MNT is not offered, but: ${COMPREPLY[*]}"
