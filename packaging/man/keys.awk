# Puts the table of keys (first file, rows of `ontapfs mount --keys`: name, type,
# default, range, help) between the marks of a man page (second file).
BEGIN { FS = "\t" }

function text(s) {
	gsub(/\\/, "\\e", s)
	gsub(/-/, "\\-", s)
	sub(/^[.']/, "\\\\\\&&", s)
	return s
}

# Lines of at most 78 characters.
function fold(s,    words, n, i, line, out) {
	n = split(s, words, " ")
	for (i = 1; i <= n; i++) {
		if (line != "" && length(line) + length(words[i]) + 1 > 78) {
			out = out line "\n"
			line = ""
		}
		line = line (line == "" ? "" : " ") words[i]
	}
	return out line
}

FNR == NR {
	note = $2
	if ($4 != "")
		note = note ", " $4
	if ($3 != "")
		note = note ", default " $3
	rows = rows ".It Va " text($1) " Pq " text(note) "\n" fold(text($5)) "\n"
	next
}

/^\.\\" BEGIN KEYS/ {
	print
	print ".Bl -tag -width Ds"
	printf "%s", rows
	print ".El"
	skip = 1
	next
}

/^\.\\" END KEYS/ { skip = 0 }
!skip
