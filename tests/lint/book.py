#!/usr/bin/env python3
"""docs/ is one book: docs/README.md links every page, and each link between the pages, anchors too, leads somewhere."""
import glob
import os
import re
import sys

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
wrong = []


def text_of(path):
    """A page without its blocks and spans of code: what looks like a link there is none."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.M | re.S)
    return text, re.sub(r"`[^`\n]*`(?!\])", "", text)


def anchors(path):
    """As GitHub makes them of headings."""
    out, seen = set(), {}
    for head in re.findall(r"^#+ +(.+?) *#*$", text_of(path)[0], re.M):
        head = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).lower()
        slug = re.sub(r"[^\w\- ]", "", head).replace(" ", "-")
        n = seen.get(slug, 0)
        seen[slug] = n + 1
        out.add(slug if n == 0 else "%s-%d" % (slug, n))
    return out


def links(path):
    """[(as written, file or None, anchor or None)] within the repository."""
    out = []
    for link in LINK.findall(text_of(path)[1]):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        out.append((link, os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path, anchor))
    return out


pages = ["README.md", *sorted(glob.glob("docs/*.md")), *sorted(glob.glob("docs/examples/**/*.md", recursive=True))]
for page in pages:
    for link, target, anchor in links(page):
        if not os.path.exists(target):
            wrong.append("%s: %s leads nowhere" % (page, link))
        elif anchor and anchor not in anchors(target):
            wrong.append("%s: %s has no such heading" % (page, link))

# From the index each page of docs/ is one step away, those of the examples two.
index = "docs/README.md"
near = {t for _, t, _ in links(index)}
reached = near | {t for p in near if p.endswith(".md") and os.path.isfile(p) for _, t, _ in links(p)} | {index}
for page in pages:
    one = page.startswith("docs/") and page.count("/") == 1
    if page != index and page not in (near if one else reached):
        wrong.append("%s: not linked from %s" % (page, index))
if len(pages) < 10:
    wrong.append("only %d pages were found" % len(pages))
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
