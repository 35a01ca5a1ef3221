#!/usr/bin/env python3
"""Man pages: mandoc finds nothing, and they name what the programs have: each command and option, each key of the
configuration, each extended attribute; and nothing else."""
import glob
import re
import subprocess
import sys

MAN = "packaging/man/"
wrong = []


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def same(what, page, have, told):
    for name in sorted(have - told):
        wrong.append("%s: %s '%s' is not in the page" % (page, what, name))
    for name in sorted(told - have):
        wrong.append("%s: there is no %s '%s'" % (page, what, name))
    if not have:
        wrong.append("%s: no %s was found in the source" % (page, what))


def options(*sources):
    """Long names in tables of argp_option; hidden ones are for programs."""
    rows = [r for s in sources for r in re.findall(r"""^\t+\{"([a-z-]+)", (?:'.'|OPT_\w+|\d+), """, read(s), re.M)]
    hidden = {r for s in sources for r in re.findall(r'\{"([a-z-]+)",[^{}]*OPTION_HIDDEN', read(s))}
    return set(rows) - hidden


def page_options(text):
    return set(re.findall(r"\\-([a-z][a-z-]+)", "\n".join(re.findall(r"^\.(?:It|Op|Nm|Fl)\b.*", text, re.M))))


pages = sorted(glob.glob(MAN + "*.[1-8]"))
p = subprocess.run(["mandoc", "-Tlint", "-Wstyle", *pages], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
# Which other pages this machine has says nothing about ours; of our own all must be there.
wrong += [x for x in p.stdout.splitlines() if "makewhatis" not in x and "referenced manual not found" not in x]
ours = {x.rsplit("/", 1)[1] for x in pages}
for x in pages:
    wrong += ["%s: there is no page %s(%s)" % (x, n, s) for n, s in re.findall(r"^\.Xr (onta\S+|mount\.onta\S+) (\d)", read(x), re.M)
              if "%s.%s" % (n, s) not in ours]
for name in ("ontapfs.8", "mount.ontapfs.8", "ontapfs.json.5", "ontapsim.1", "ontapfs.7", "ontapfs-csi.8"):
    if name not in ours:
        wrong.append("no page " + name)

main, page = read("mountd/main.c"), read(MAN + "ontapfs.8")
commands = set(re.findall(r'^\t\{"([a-z]+)", "ontapfs ', main, re.M)) - {"serve"}
same("command", "ontapfs(8)", commands, set(re.findall(r"^\.Ss ontapfs ([a-z]+)", page, re.M)))
same("option", "ontapfs(8)", options(*[s for s in glob.glob("mountd/cmd_*.c") if "serve" not in s]) | {"help", "version"},
     page_options(page) | {"help"})
same("option", "ontapfs-csi(8)", options("mountd/csi/main.c"), page_options(read(MAN + "ontapfs-csi.8")))
same("key", "ontapfs.json(5)", set(re.findall(r'^\t\{"([A-Za-z_.]+)", KEY_', read("mountd/config_keys.c"), re.M)),
     set(re.findall(r"^\.It Va (\S+) Pq", read(MAN + "ontapfs.json.5"), re.M)))
tree = set(re.findall(r"ontap\.[a-z_.]*[a-z](?![A-Z_.])", "\n".join(re.findall(r"^\.It Va (ontap\..*)", read(MAN + "ontapfs.7"), re.M))))
code = set(re.findall(r'^\t\{"(ontap\.[a-z_.]+)", ', read("fs/ops_xattr.c"), re.M))
same("attribute", "ontapfs(7)", code, {x for x in tree if x in code or x.count(".") == 2 and not x.endswith((".snapshots", ".verb"))})
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
