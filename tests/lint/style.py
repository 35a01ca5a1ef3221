#!/usr/bin/env python3
"""What every text file keeps to, and calls that C here does without."""
import re
import sys

COLUMNS = 120  # of C, with tabs of 8; 110 is what to aim at

# Unbounded writes, hidden shells, parsing without errors, shared static
# buffers, and waiting for time instead of an event.
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|system|popen|tmpnam|tempnam|"
                    r"mktemp|alloca|atoi|atol|atoll|atof|asctime|ctime|asctime_r|ctime_r|sleep|usleep)\s*\(")
# In cases, too, an event is waited for: wait_for polls, with a bound.
SLEEP = re.compile(r"(^|[;&|({]|\bdo\b|\bthen\b)\s*sleep\s+[\d$]|\btime\.sleep\(")


def blank(m):
    return re.sub(r"[^\n]", " ", m.group(0))


def code_of(text):
    """C without comments, strings and characters, line numbers kept."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def check(path, wrong):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    c = path.endswith((".c", ".h"))
    for number, line in enumerate(text.split("\n"), 1):
        where = "%s:%d" % (path, number)
        if line != line.rstrip() and not path.endswith(".md"):
            wrong.append(where + ": trailing white space")
        if c and len(line.expandtabs(8)) > COLUMNS:
            wrong.append("%s: %d columns, at most %d" % (where, len(line.expandtabs(8)), COLUMNS))
        if "\r" in line:
            wrong.append(where + ": carriage return")
        if path.startswith("tests/cases/") and SLEEP.search(line):
            wrong.append(where + ": waits for time instead of an event")
    if text and not text.endswith("\n"):
        wrong.append(path + ": no newline at its end")
    if c:
        for number, line in enumerate(code_of(text).split("\n"), 1):
            m = BANNED.search(line)
            if m:
                wrong.append("%s:%d: banned call %s" % (path, number, m.group(1)))


def main(paths):
    wrong = []
    for p in paths:
        check(p, wrong)
    if not BANNED.search(code_of("x = atoi(s); /* */")) or BANNED.search(code_of('"atoi(" /* sprintf(x) */')):
        wrong.append("style.py: its own rules do not catch what they must")
    for w in wrong:
        print(w)
    return 1 if wrong or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
