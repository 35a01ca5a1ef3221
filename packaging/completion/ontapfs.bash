# bash completion for ontapfs(8)                            -*- shell-script -*-

# The words that `ontapfs COMMAND --help` names as options.
_ontapfs_options() {
	"$1" "$2" --help 2>/dev/null | sed -n 's/^ .*\(--[a-z][a-z-]*\).*/\1/p' | sort -u
}

_ontapfs_mounts() {
	awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "fuse.ontapfs") print $5 }' /proc/self/mountinfo
}

_ontapfs() {
	local cur=${COMP_WORDS[COMP_CWORD]} command= word at=0 i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ $word == -* ]] && continue
		if [[ -z $command ]]; then
			command=$word
		else
			((++at))
		fi
	done
	if [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'mount umount upgrade status doctor log restore jobs wait top --help --version' -- "$cur")
		return
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_ontapfs_options "${COMP_WORDS[0]}" "$command")" -- "$cur")
		return
	fi
	case $command:$at in
	umount:0 | upgrade:0 | status:0 | jobs:0 | top:0)
		mapfile -t COMPREPLY < <(compgen -W "$(_ontapfs_mounts)" -- "$cur")
		;;
	mount:0 | doctor:0)
		mapfile -t COMPREPLY < <(compgen -f -X '!*.json' -- "$cur"; compgen -d -S / -- "$cur"
			[[ $cur ]] || compgen -G '/etc/ontapfs/*.json')
		;;
	mount:1)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	restore:1)
		mapfile -t COMPREPLY < <(compgen -W "$(ls -- "${COMP_WORDS[COMP_CWORD - 1]}/.snapshots" 2>/dev/null)" -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	esac
}
complete -o filenames -F _ontapfs ontapfs
