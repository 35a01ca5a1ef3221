#!/usr/bin/env python3
"""Includes point down only, each folder is entered by its door, and each
library has one home.

    mountd                 may include   fs/fs.h  ontap/ontap.h  fs/base
    mountd/csi                           ontap/ontap.h  fs/base, some of mountd
    fs (top folder)                      fs/nfs/nfsio.h  ontap/ontap.h  fs/base
    ontap | fs/nfs                       fs/base; never each other
    fs/base                              libc only
    tests/sim                            fs/base: an independent witness
"""
import os
import re
import sys

# part: (folder, headers it may include; a pattern is matched against the whole path)
PARTS = {
    "base": ("fs/base", [r"fs/base/"]),
    "nfs": ("fs/nfs", [r"fs/base/", r"fs/nfs/"]),
    "ontap": ("ontap", [r"fs/base/", r"ontap/"]),
    "fs": ("fs", [r"fs/base/", r"fs/[^/]+\.h$", r"fs/nfs/nfsio\.h$", r"ontap/ontap\.h$"]),
    "mountd": ("mountd", [r"fs/base/", r"mountd/", r"fs/fs\.h$", r"ontap/ontap\.h$"]),
    # Of the rest of mountd only what reads a configuration and the mount table. A
    # name without a folder is a header that protoc-c makes.
    "csi": ("mountd/csi", [r"fs/base/", r"mountd/csi/", r"mountd/(config|secret|params|mounts)\.h$",
                           r"ontap/ontap\.h$", r"[^/]+\.pb-c\.h$"]),
    # A name without a folder is a header that rpcgen makes.
    "sim": ("tests/sim", [r"fs/base/", r"tests/sim/", r"[^/]+\.h$"]),
    "bench": ("tests/bench", [r"fs/base/", r"fs/node\.h$", r"tests/bench/"]),
    "unit": ("tests/unit", [r""]),
    "fuzz": ("tests/fuzz", [r""]),
    "proxy": ("tests/proxy", [r"fs/base/", r"tests/proxy/"]),
    "lib": ("tests/lib", [r"fs/base/", r"tests/lib/"]),
}

# A library's headers, and the parts that may use them.
HOMES = [
    (r"fuse(_lowlevel|_opt|_common|3/.*)?\.h$", {"fs", "bench"}),
    (r"fuse3/", {"fs", "bench"}),
    (r"nfsc/", {"nfs", "bench"}),
    (r"curl/", {"ontap"}),
    (r"json-c/|json\.h$", {"ontap"}),
    (r"xxhash\.h$", {"base", "fs", "sim"}),
    (r"(jansson|sqlite3|btrfsutil)\.h$|gnutls/|rpc/|rpcsvc/", {"sim"}),
    (r"microhttpd\.h$", {"sim", "csi"}),
    (r"nghttp2/|protobuf-c/", {"csi"}),
    (r"systemd/|libsmartcols|cap-ng\.h$|seccomp\.h$", {"mountd"}),
    (r"cmocka\.h$", {"unit"}),
]


def part_of(path):
    best = None
    for name, (folder, _) in PARTS.items():
        if path.startswith(folder + "/") and (best is None or len(folder) > len(PARTS[best][0])):
            best = name
    return best


def check(path, wrong):
    part = part_of(path)
    if part is None:
        wrong.append("%s: a folder that the layers do not know" % path)
        return
    # Tests of a module see its library's types; the simulator's tests see the simulator.
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if not m:
                continue
            where, name = "%s:%d" % (path, number), m.group(2)
            if m.group(1) == '"':
                if not any(re.match(p, name) for p in PARTS[part][1]):
                    wrong.append("%s: %s may not include %s" % (where, part, name))
            elif part != "unit":
                for pattern, homes in HOMES:
                    if re.match(pattern, name) and part not in homes:
                        wrong.append("%s: <%s> has its home in %s" % (where, name, ", ".join(sorted(homes))))
    if re.match(r"mountd/hold\w*\.c$", path):
        with open(path, encoding="utf-8") as f:
            # The holder must outlive everything: nothing but libc is linked into it.
            for m in re.finditer(r'#\s*include\s*"(?!mountd/hold\w*\.h|fs/base/)([^"]+)"', f.read()):
                wrong.append("%s: the holder includes %s" % (path, m.group(1)))


def main(paths):
    wrong = []
    for p in paths:
        check(p, wrong)
    # A check that sees nothing proves nothing.
    probe = []
    for bad, part in (("curl/curl.h", "fs"), ("nfsc/libnfs.h", "ontap"), ("fuse_lowlevel.h", "mountd")):
        probe += [1 for pattern, homes in HOMES if re.match(pattern, bad) and part not in homes]
    if len(probe) != 3:
        wrong.append("layers.py: its own rules do not catch what they must")
    for w in wrong:
        print(w)
    return 1 if wrong or not paths else 0


if __name__ == "__main__":
    args = sys.argv[1:] or [os.path.join(r, n)[2:] for r, _, ns in os.walk(".") for n in ns if n.endswith((".c", ".h"))]
    sys.exit(main(args))
