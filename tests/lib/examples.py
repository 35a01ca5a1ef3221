"""The examples of a page of docs/, run as a user would.

Blocks ```console with <!-- test --> in the line before run in order, in one
shell; /datasets stands for the mount.
"""
import os
import re
import subprocess
import ontapfs_test as t


def examples(text):
    """[(line number, command, [expected line])] of the marked blocks."""
    out = []
    for m in re.finditer(r"^<!-- test -->\n```console\n(.*?)^```$", text, re.M | re.S):
        number = text.count("\n", 0, m.start(1))
        for line in m.group(1).splitlines():
            number += 1
            if line.startswith("$ "):
                out.append((number, line[2:], []))
            else:
                out[-1][2].append(line)
    return out


def pattern(lines):
    """A line `...` is any lines; in a line, `...` and <word> are any text and
    blanks are as many as you like."""
    out = ""
    for line in lines:
        if line == "...":
            out += r"(?:.*\n)*?"
            continue
        parts = re.split(r"(\.\.\.|<[a-z]+>| +)", line.rstrip())
        for p in parts:
            out += r".*" if p == "..." else r".+" if re.fullmatch(r"<[a-z]+>", p) else \
                r" +" if p and not p.strip() else re.escape(p)
        out += r" *\n"
    return out


class Shell:
    END = "---end-of-the-example---"

    def __init__(self, mnt):
        self.mnt = mnt
        # A file holds the output: a pipe would have to be read while it fills.
        self.out = open(t.WORK + "/shell.out", "w+b")  # noqa: SIM115  lives as long as the shell
        self.p = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=self.out, stderr=self.out, cwd="/",
                                  env=dict(os.environ, TERM="dumb"))

    def run(self, command):
        at = os.fstat(self.out.fileno()).st_size
        text = "{ %s\n} </dev/null\necho %s\n" % (command.replace("/datasets", self.mnt), self.END)
        self.p.stdin.write(text.encode())
        self.p.stdin.flush()

        def said():
            with open(self.out.name, "rb") as f:
                f.seek(at)
                s = f.read().decode()
            return s if s.endswith(self.END + "\n") else None
        s = t.wait_for(said, "the end of: " + command, 40)
        return s[:-len(self.END) - 1].replace(self.mnt, "/datasets")

    def close(self):
        self.p.stdin.close()
        self.p.wait(10)
        self.out.close()


def run(name, mnt, least):
    """Fails when an example of docs/NAME says something else than happens, or there are fewer than `least`."""
    with open(os.path.join(t.TOP, "docs", name), encoding="utf-8") as page:
        todo = examples(page.read())
    t.ok(len(todo) >= least, "the page has examples: found %d" % len(todo))
    wrong = 0
    shell = Shell(mnt)
    try:
        for number, command, want in todo:
            got = shell.run(command)
            if not re.fullmatch(pattern(want), got):
                wrong += 1
                print("%s:%d: $ %s\n  the page says:\n%s\n  it was:\n%s" % (
                    name, number, command, "\n".join("    " + x for x in want),
                    "\n".join("    " + x for x in got.splitlines())))
    finally:
        shell.close()
    t.eq(wrong, 0, "examples that differ (of %d)" % len(todo))
