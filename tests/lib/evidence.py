"""docs/evidence.md: a line for each whole run of something that takes long."""
import datetime
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(TOP, "docs/evidence.md")


def commit():
    """The last commit that changed more than documents, with a + when the tree was changed since; those changes."""
    def git(*words):
        return subprocess.run(["git", "-C", TOP, *words, "--", ".", ":!docs"], stdout=subprocess.PIPE, check=False).stdout
    changes = git("diff", "HEAD")
    return (git("log", "-1", "--format=%h").decode().strip() or "unknown") + ("+" if changes else ""), changes


def add(at, what, seconds, word, line, path=PATH):
    """Adds one: the commit, what ran, how long, how it ended, its last line."""
    with open(path, "a", encoding="utf-8") as f:
        f.write("| %s | %s | %s | %d s | %s | %s |\n" % (datetime.date.today(), at, what, seconds, word,
                                                       line.replace("|", "\\|")))
