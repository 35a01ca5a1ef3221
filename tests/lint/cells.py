#!/usr/bin/env python3
"""Compares docs/SEMANTICS.md with the cases: every cell of the operation table
and every rule must be proved by a case that names it.

    tests/lint/cells.py [--list]

In the page, `<!-- cells -->` stands in the line before
  - a table: a row and a column whose heads have a `name` make the cell row/column,
    unless it is empty;
  - a list: each item that begins with `name`: is a cell.
A cell that says *later* is not built yet, and counted apart. A case names the
cells it proves in comment lines:  # cells: mkdir/root symlink/root
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/SEMANTICS.md"
MARK = "<!-- cells -->"


def name_in(text):
    m = re.match(r"`([a-z0-9.-]+)`", text)
    return m.group(1) if m else None


def table(lines):
    """{cell: text} of the table that begins with these lines."""
    out = {}
    heads = [name_in(c.strip()) for c in lines[0].split("|")[1:-1]]
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        row = [c.strip() for c in line.split("|")[1:-1]]
        for head, text in zip(heads, row):
            if head and text and name_in(row[0]):
                out["%s/%s" % (name_in(row[0]), head)] = text
    return out


def items(lines):
    """{cell: text} of the list that begins with these lines."""
    out, name = {}, None
    for line in lines:
        if line.startswith("- "):
            m = re.match(r"- `([a-z0-9.-]+)`:", line)
            name = m.group(1) if m else None
            if name:
                out[name] = line
        elif line.startswith("  ") and name:
            out[name] += " " + line.strip()
        else:
            break
    return out


def cells_of(text):
    """{cell: text} of a page; its defects."""
    cells, wrong = {}, []
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if line != MARK:
            continue
        rest = lines[i + 1:]
        found = table(rest) if rest[0].startswith("|") else items(rest)
        if not found:
            wrong.append("%s:%d: no cells follow" % (PAGE, i + 1))
        for name, what in found.items():
            if name in cells:
                wrong.append("%s: two cells are called %s" % (PAGE, name))
            cells[name] = what
    return cells, wrong


def claims_of(path, text):
    """[(cell, path)] that the head of a case names."""
    out = []
    for line in text.split("\n"):
        if line.startswith("# cells:"):
            out += [(c, path) for c in line[len("# cells:"):].split()]
        elif line and not line.startswith(("#", '"""')) and out:
            break
    return out


def claims():
    out = []
    for root, dirs, names in os.walk(os.path.join(TOP, "tests/cases")):
        dirs.sort()
        for n in sorted(names):
            if n.endswith((".py", ".sh")):
                path = os.path.join(root, n)
                with open(path, encoding="utf-8") as f:
                    out += claims_of(os.path.relpath(path, TOP), f.read())
    return out


def own_rules():
    """What this script must catch."""
    page = MARK + "\n| | op | `root` | `live` |\n|---|---|---|---|\n| `mkdir` | m | EPERM | *later* |\n| `x` | y | | ok |\n\n"
    page += MARK + "\n- `rule-1`: a\n  b *later*\n- `rule-2`: c\n- no cell\n\n- `rule-3`: not in the list\n"
    want = {"mkdir/root": "EPERM", "mkdir/live": "*later*", "x/live": "ok", "rule-1": "- `rule-1`: a b *later*", "rule-2": "- `rule-2`: c"}
    got, wrong = cells_of(page)
    return got == want and not wrong and claims_of("p", "#!/x\n# cells: a b\n# cells: c\nimport\n# cells: d") == [(c, "p") for c in "abc"]


def main(args):
    if not own_rules():
        print("cells.py: its own rules do not catch what they must")
        return 1
    with open(os.path.join(TOP, PAGE), encoding="utf-8") as f:
        cells, wrong = cells_of(f.read())
    later = {c for c, text in cells.items() if "*later*" in text}
    by = {}
    for cell, path in claims():
        by.setdefault(cell, []).append(path)
        if cell not in cells:
            wrong.append("%s: %s has no cell %s" % (path, PAGE, cell))
    untested = [c for c in cells if c not in by and c not in later]
    for c in sorted(later & set(by)):
        wrong.append("%s: cell %s is *later*, and %s proves it" % (PAGE, c, by[c][0]))
    if "--list" in args:
        for c in cells:
            print("%-24s %s" % (c, "later" if c in later else " ".join(by.get(c, ["-"]))))
    for w in wrong + ["untested: " + c for c in untested]:
        print(w)
    due = len(cells) - len(later)
    print("cells %d, tested %d, untested %d, later %d" % (due, due - len(untested), len(untested), len(later)))
    return 1 if wrong or untested or not cells else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
