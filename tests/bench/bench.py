#!/usr/bin/env python3
"""Measures the gateway beside the limits of the same machine in the same minutes.

    tests/bench/bench.py [--build DIR] [--quick] [--peer DIR] [--rounds N] [-k REGEX]

A simulator is started with a data set in project1: directories of 110 KiB
files and some large ones; then each round runs every workload on every target,
one after the other, so that what else the machine does hits all alike:

    live   our mount, the live volume          null   a FUSE file system without a server
    snap   our mount, a snapshot               raw    libnfs alone, many calls in flight
    store  the files behind the server         peer   any other mount of the same files (--peer)

A cold run is the first on a fresh mount; `again` is the second pass over the
same mount. Medians of the rounds count. The limit of a workload is the lower
of null and raw (of null alone for a second pass in a snapshot): no gateway can
pass either. CPU seconds are those of the daemon and of the server, apart.

The ceiling is what the processors of this machine give if nothing waits: cores
divided by the CPU seconds that one unit costs the server and raw libnfs (not
in a second pass), and the null file system with its readers, in the same run.

The faces (--faces) are servers and transfer sizes: the built-in one and Ganesha
at 1 MiB, and the built-in one at 64 KiB, ONTAP's default, without goals.

The result is written to docs/benchmarks/DATE-COMMIT.json, .md and .svg.
"""
import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
MIB = 1 << 20
SMALL = 110 * 1024


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--quick", action="store_true", help="4,000 small files and one of 512 MiB, 3 rounds")
    p.add_argument("--peer", help="directory of another mount of the data set (made by --keep, or by hand)")
    p.add_argument("--rounds", type=int, help="at least 3")
    p.add_argument("-k", metavar="REGEX", help="only workloads whose name matches")
    p.add_argument("--mount-options", default="", help="more options of our mount")
    p.add_argument("--faces", help="of builtin, ganesha, builtin-64k; all of them, with --quick the first")
    p.add_argument("--dir", help="where the simulator lives (default: memory, when it is large enough)")
    p.add_argument("--no-save", action="store_true", help="print only")
    return p.parse_args()


ARGS = parse()
BUILD = os.path.join(TOP, ARGS.build)
os.environ.update(TOP=TOP, BUILD=BUILD)
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import ontapfs_test as t  # noqa: E402

TAG = "ONTAPFS_BENCH=%s" % uuid.uuid4()
os.environ.update([TAG.split("=")])
DIRS, PER_DIR, BIGS, BIG = (20, 200, 1, 512 * MIB) if ARGS.quick else (100, 200, 4, 1024 * MIB)
ROUNDS = max(3, ARGS.rounds or (3 if ARGS.quick else 5))
TICK = os.sysconf("SC_CLK_TCK")
FACES = (ARGS.faces or ("builtin" if ARGS.quick else "builtin,ganesha,builtin-64k")).split(",")
SET = "bench"  # the data set's directory in project1


def tool(name):
    return os.path.join(BUILD, "tests/bench", name)


class Workload:
    def __init__(self, name, unit, args, raw, amount, again=False, rate=lambda r: r["bytes"] / MIB / r["seconds"]):
        self.name, self.unit, self.args, self.raw, self.amount = name, unit, args, raw, amount
        self.again, self.rate = again, rate


def files_rate(r):
    return r["files"] / r["seconds"]


def workloads(list_file):
    """`args` is the command line of readers, with {} for the data set's place."""
    small = DIRS * PER_DIR
    out = []
    for block, label in ((128 * 1024, "128 KiB"), (MIB, "1 MiB")):
        out.append(Workload("sequential, one reader, %s" % label, "MiB/s", ["seq", "-b", str(block), "{}/big0"],
                            ["seq", "big0"], BIG, rate=lambda r: r["bytes"] / MIB / r["seconds"]))
    for p in (2, 4):
        if BIGS >= p:
            out.append(Workload("sequential, %d readers" % p, "MiB/s",
                                ["seq", "-p", str(p)] + ["{}/big%d" % i for i in range(p)],
                                ["seq"] + ["big%d" % i for i in range(p)], BIG * p))
    out.append(Workload("sequential, again", "MiB/s", ["seq", "{}/big0"], None, BIG, again=True))
    for p in (1, 4, 16):
        out.append(Workload("110 KiB files, %d process%s" % (p, "es" if p > 1 else ""), "files/s",
                            ["small", "-p", str(p), "-l", list_file, "{}"], ["small", list_file], small * SMALL,
                            rate=files_rate))
    for p in (1, 4, 16):
        out.append(Workload("110 KiB files, %d process%s, again" % (p, "es" if p > 1 else ""), "files/s",
                            ["small", "-p", str(p), "-l", list_file, "{}"], None, small * SMALL, again=True,
                            rate=files_rate))
    out.append(Workload("find -ls", "entries/s", ["walk", "{}"], ["walk"], None, rate=files_rate))
    out.append(Workload("find -ls, again", "entries/s", ["walk", "{}"], None, None, again=True, rate=files_rate))
    return [w for w in out if not ARGS.k or re.search(ARGS.k, w.name)]


def cpu_of(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def children_cpu():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def pids(pattern):
    return [p for p, c in t.pids_of(TAG) if re.search(pattern, c)]


def bdi(point):
    """sysfs directory of a mount's readahead."""
    dev = [d for p, d, _ in t.mounts_below(point) if p == point]
    return "/sys/class/bdi/%s" % dev[0] if dev else None


def read_ahead(point, value=None):
    path = bdi(point) + "/read_ahead_kb"
    if value is not None:
        with open(path, "w", encoding="ascii") as f:
            f.write(value)
    with open(path, encoding="ascii") as f:
        return f.read().strip()


def run_json(cmd):
    p = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=1800, check=False)
    try:
        r = json.loads(p.stdout)
    except ValueError:
        t.fail("%s: exit %d\n%s%s" % (" ".join(cmd), p.returncode, p.stdout, p.stderr))
    # A fast answer that is wrong is no result.
    if p.returncode != 0 or r["errors"]:
        t.fail("%s: %d errors (%s)\n%s" % (" ".join(cmd), r["errors"], r.get("first_error", ""), p.stderr))
    return r


class Bench:
    def __init__(self, top, face):
        self.top = top
        self.server, _, size = face.partition("-")
        self.xfer = 64 * 1024 if size == "64k" else MIB
        self.list = os.path.join(top, "names")
        self.sim = self.gw = self.null = None
        self.null_mnt = os.path.join(top, "null")
        self.read_ahead_kb = None

    # ---- the data set ----

    def prepare(self):
        self.sim = t.Sim(os.path.join(self.top, "sim"), "--nfs=" + self.server, "--max-xfer", self.xfer).up()
        base = os.path.join(self.sim.path("project1"), SET)
        os.mkdir(base)
        noise = os.urandom(4 * MIB)
        with open(self.list, "w", encoding="ascii") as names:
            for d in range(DIRS):
                os.mkdir("%s/d%03d" % (base, d))
                for i in range(d * PER_DIR, (d + 1) * PER_DIR):
                    name = "d%03d/f%06d" % (d, i)
                    off = i * 4096 % (3 * MIB)
                    with open("%s/%s" % (base, name), "wb") as f:
                        f.write(b"%016d" % i + noise[off:off + SMALL - 16])
                    names.write(name + "\n")
        for b in range(BIGS):
            with open("%s/big%d" % (base, b), "wb") as f:
                for k in range(BIG // len(noise)):
                    f.write(b"%016d" % k + noise[16:])
        os.sync()
        self.mount()
        os.mkdir(os.path.join(self.gw.mnt, "project1/.snapshots/bench"))
        self.check()

    def check(self):
        """The bytes are right before their speed is of interest."""
        base = os.path.join(self.sim.path("project1"), SET)
        for name in ["d000/f000000", "d%03d/f%06d" % (DIRS - 1, DIRS * PER_DIR - 1)]:
            want = t.read(base + "/" + name)
            for where in (self.place("live"), self.place("snap")):
                t.ok(t.read(where + "/" + name) == want, "%s/%s holds other bytes" % (where, name))
        with open(base + "/big0", "rb") as a, open(self.place("snap") + "/big0", "rb") as b:
            for off in (0, BIG // 2, BIG - MIB):
                a.seek(off)
                b.seek(off)
                t.ok(a.read(MIB) == b.read(MIB), "big0 at %d holds other bytes" % off)

    # ---- mounts ----

    def mount(self):
        opts = list(filter(None, ARGS.mount_options.split(",")))
        self.gw = t.Gateway(self.sim.backend, os.path.join(self.top, "mnt"), *opts).up()
        self.read_ahead_kb = read_ahead(self.gw.mnt)

    def remount(self):
        self.gw.down()
        self.mount()

    def null_up(self):
        self.null_down()
        os.makedirs(self.null_mnt, exist_ok=True)
        with open(os.path.join(self.top, "null.log"), "ab") as log:
            self.null = subprocess.Popen([tool("nullfs"), self.null_mnt, str(DIRS), str(PER_DIR), str(SMALL), str(BIGS),
                                          str(BIG)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        t.wait_for(lambda: bdi(self.null_mnt) and os.path.exists(self.null_mnt + "/big0"), "nullfs", 10)
        read_ahead(self.null_mnt, self.read_ahead_kb)

    def null_down(self):
        if self.null:
            self.null.send_signal(signal.SIGTERM)
            try:
                self.null.wait(10)
            except subprocess.TimeoutExpired:
                self.null.kill()
                self.null.wait()
            self.null = None
        t.force_unmount(self.null_mnt)

    def place(self, target):
        return {"live": os.path.join(self.gw.mnt, "project1", SET), "null": self.null_mnt,
                "snap": os.path.join(self.gw.mnt, "project1/.snapshots/bench", SET),
                "store": os.path.join(self.sim.path("project1"), SET) if target == "store" else None,
                "peer": ARGS.peer}[target]

    # ---- one run ----

    def measure(self, w, target):
        if target == "raw":
            # One READ a file is what it measures there.
            if not w.raw or (w.raw[0] == "small" and self.xfer < SMALL):
                return None
            b = t.backend(self.sim.dir)
            lif = t.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address",
                         sim=self.sim.dir)[1]["records"][0]["ip"]["address"]
            extra = ["-d", "8"] if w.raw[0] != "small" else ["-d", "8", "-c", "2"]
            extra += ["-b", str(self.xfer), "-m", str(b["ontapfs"]["mountPort"])]
            cmd = [tool("rawnfs"), *extra, lif, str(b["ontapfs"]["nfsPort"]), "/project1/" + SET, *w.raw]
            return self.timed(w, cmd, None)
        if target in ("live", "snap"):
            self.remount()
        elif target == "null":
            self.null_up()
        cmd = [tool("readers"), *[a.replace("{}", self.place(target)) for a in w.args]]
        if w.again:
            run_json(cmd)
        return self.timed(w, cmd, target)

    def timed(self, w, cmd, target):
        ours = target in ("live", "snap")
        # Process numbers first: looking for them costs more than reading their times.
        daemon = pids(r"/ontapfs(-hold)? ") if ours else pids(r"/nullfs ") if target == "null" else []
        server = pids(r"\bontapsim serve-|ganesha")
        rpc = t.stats(self.gw.mnt) if ours else {}
        d0, s0, c0 = cpu_of(daemon), cpu_of(server), children_cpu()
        r = run_json(cmd)
        r["client_cpu"] = children_cpu() - c0
        r["daemon_cpu"], r["server_cpu"] = cpu_of(daemon) - d0, cpu_of(server) - s0
        if ours:
            after = t.stats(self.gw.mnt)
            r["rpcs"] = t.counter(after, "ontapfs_nfs_calls_total") - t.counter(rpc, "ontapfs_nfs_calls_total")
            r["fuse"] = t.counter(after, "ontapfs_fuse_requests_total") - t.counter(rpc, "ontapfs_fuse_requests_total")
        if w.amount is not None:
            t.eq(r["bytes"], w.amount, "%s on %s: bytes" % (w.name, target))
        else:
            t.eq(r["files"], DIRS * PER_DIR + DIRS + BIGS, "%s on %s: entries" % (w.name, target))
        r["rate"] = w.rate(r)
        return r

    def destroy(self):
        self.null_down()
        if self.gw:
            self.gw.destroy()
        if self.sim:
            self.sim.destroy()


# ---- the report -------------------------------------------------------------------

def median(rs, key):
    vs = [r[key] for r in rs if r and key in r]
    return statistics.median(vs) if vs else None


def spread(rs):
    """(max - min) / median, in percent."""
    vs = [r["rate"] for r in rs if r]
    return 100 * (max(vs) - min(vs)) / statistics.median(vs) if vs else 0


def number(v, digits=0):
    return "-" if v is None else "{:,.{}f}".format(v, digits)


def ceiling(w, by):
    """Units a second if all cores did nothing but what each unit costs at least."""
    cost = 0
    for target, parts in (("null", ("daemon_cpu", "client_cpu")), ("raw", ("server_cpu", "client_cpu"))):
        rs = [r for r in by.get(target, []) if r]
        if target == "raw" and w.again:
            continue
        if not rs:
            return None
        cost += statistics.median(sum(r[p] for p in parts) / (r["rate"] * r["seconds"]) for r in rs)
    return os.cpu_count() / cost if cost else None


# (workload, target, what, of what, at least or at most): what a row is held to.
GOALS = [
    (r"^sequential, one reader", "live|snap", "rate", "ceiling", ">=", 0.85),
    (r"^sequential, one reader", "live|snap", "rate", "null", ">=", 0.7),
    (r"^sequential, \d readers", "live|snap", "rate", "ceiling", ">=", 0.9),
    (r"^sequential, (one|\d)", "live|snap", "daemon_cpu", "gib", "<=", 0.35),
    (r"^sequential, again", "snap", "rate", "null", ">=", 0.95),
    (r"^(sequential|110 KiB.*|find -ls), again", "snap", "rpcs", None, "<=", 1),
    (r"^110 KiB files, 1 process$", "snap", "rate", None, ">=", 2500),
    (r"^110 KiB files, 16 processes$", "snap", "rate", None, ">=", 6500),
    (r"^110 KiB files, (1 process|16 processes)$", "snap", "rate", "ceiling", ">=", 0.85),
    (r"^110 KiB files, \d+ process(es)?$", "snap", "rpcs", "files", "<=", 1.1),
    (r"^110 KiB files, \d+ process(es)?$", "snap", "daemon_cpu", "thousands", "<=", 0.08),
    (r"^110 KiB files, (4|16) processes, again", "snap", "rate", None, ">=", 36000),
    (r"^find -ls, again", "snap", "rate", "store", ">=", 1 / 1.2),
]


def goals(row, amount):
    """"met", "missed: ..." or "" where nothing is asked."""
    files = DIRS * PER_DIR
    of = {None: 1, "gib": amount / 2**30 if amount else None, "files": files, "thousands": files / 1000}
    said, asked = [], 0
    for pattern, targets, what, unit, how, value in GOALS:
        got, base = row[what], of.get(unit, row.get(unit))
        if not re.search(pattern, row["workload"]) or row["target"] not in targets.split("|") or not base or got is None:
            continue
        asked += 1
        if (got / base < value) if how == ">=" else (got / base > value):
            said.append("%s%s %s, not %s %s" % (what, " of " + unit if unit else "", number(got / base, 2), how,
                                               number(value, 2)))
    return ("missed: " + "; ".join(said)) if said else "met" if asked else ""


def rows(results, with_goals):
    out = []
    for w, by in results:
        limits = {k: median(by.get(k, []), "rate") for k in ("null", "raw")}
        limits = {k: v for k, v in limits.items() if v}
        which = min(limits, key=limits.get) if limits else None
        for target in ("live", "snap", "peer"):
            rs = [r for r in by.get(target, []) if r]
            if not rs:
                continue
            rate = median(rs, "rate")
            row = {"workload": w.name, "unit": w.unit, "target": target, "rate": rate, "limit": limits.get(which),
                   "limited_by": which, "ratio": rate / limits[which] if which else None, "spread": spread(rs),
                   "ceiling": ceiling(w, by), "store": median(by.get("store", []), "rate"), "null": limits.get("null"),
                   "raw": limits.get("raw"), "daemon_cpu": median(rs, "daemon_cpu"), "server_cpu": median(rs, "server_cpu"),
                   "rpcs": median(rs, "rpcs"), "fuse": median(rs, "fuse")}
            row["goal"] = goals(row, w.amount) if with_goals else ""
            out.append(row)
    return out


NAMES = {"live": "live", "snap": "snapshot", "peer": "PEER"}


def table(rs):
    lines = ["| workload | ours | limit | ratio | spread | ceiling | null | raw | store | daemon s | server s | RPCs | FUSE | goal |",
             "|" + "---|" * 14]
    for r in rs:
        lines.append("| %s, %s | %s %s | %s (%s) | %s | %.0f %% | %s | %s | %s | %s | %s | %s | %s | %s | %s |" % (
            r["workload"], NAMES[r["target"]], number(r["rate"]), r["unit"], number(r["limit"]), r["limited_by"] or "-",
            number(r["ratio"], 2), r["spread"], number(r["ceiling"]), number(r["null"]), number(r["raw"]), number(r["store"]),
            number(r["daemon_cpu"], 2), number(r["server_cpu"], 2), number(r["rpcs"]), number(r["fuse"]), r["goal"]))
    if not ARGS.peer:
        lines.append("| any | no peer |" + " |" * 12)
    return "\n".join(lines)


def plot(by_face):
    """Bars of the ratios to the limit, as SVG."""
    out, y = [], 10
    for face, rs in by_face:
        out.append('<text x="10" y="%d" font-weight="bold">%s</text>' % (y + 12, face))
        y += 20
        for r in rs:
            ratio = min(r["ratio"] or 0, 1.5)
            out.append('<text x="380" y="%d" text-anchor="end">%s, %s</text>' % (y + 11, r["workload"], NAMES[r["target"]]))
            out.append('<rect x="390" y="%d" width="%.1f" height="12" fill="%s"/>' % (
                y, ratio * 300, {"live": "#7a9", "snap": "#369", "peer": "#999"}[r["target"]]))
            out.append('<text x="%.1f" y="%d">%s</text>' % (394 + ratio * 300, y + 11, number(r["ratio"], 2)))
            y += 16
        y += 10
    out.append('<line x1="690" y1="0" x2="690" y2="%d" stroke="#c00" stroke-dasharray="4"/>' % y)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="900" height="%d" font-family="sans-serif" font-size="12">\n'
            '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n' % (y, "\n".join(out)))


def command(*cmd):
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(cmd, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=20,
                              check=False).stdout.strip()
    return ""


def machine():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read())
    with open("/proc/meminfo", encoding="ascii") as f:
        mem = int(re.search(r"MemTotal: *(\d+)", f.read()).group(1))
    versions = {m: command("pkg-config", "--modversion", m) for m in ("fuse3", "libnfs", "libcurl", "json-c")}
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": os.cpu_count(), "memory_gib": round(mem / MIB),
            "kernel": platform.release(), "system": command("sh", "-c", ". /etc/os-release; echo $PRETTY_NAME"),
            "libraries": versions}


def room():
    """A directory for the simulator: in memory when that is large enough, so
    that a cold run is cold for the gateway, not for a disk."""
    if ARGS.dir:
        return ARGS.dir
    want = 3 * (DIRS * PER_DIR * SMALL + BIGS * BIG)
    with contextlib.suppress(OSError):
        s = os.statvfs("/dev/shm")
        with open("/proc/meminfo", encoding="ascii") as f:
            free = int(re.search(r"MemAvailable: *(\d+)", f.read()).group(1)) * 1024
        if s.f_bavail * s.f_frsize > want and free > want:
            return "/dev/shm"
    return None


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        print("bench: needs root and /dev/fuse", file=sys.stderr)
        return 1
    commit = command("git", "rev-parse", "--short", "HEAD") or "none"
    if command("git", "status", "--porcelain"):
        commit += "-dirty"
    done = []
    for face in FACES:
        done.append((face, *one_face(face)))
    if not ARGS.no_save:
        save(commit, done)
    return 0


def one_face(face):
    """Its readahead, workloads with their runs, and rows."""
    top = tempfile.mkdtemp(prefix="ontapfs-bench.", dir=room())
    os.chmod(top, 0o755)
    b = Bench(top, face)
    try:
        print("# %s: %d files of 110 KiB in %d directories, %d of %d MiB; in %s" % (
            face, DIRS * PER_DIR, DIRS, BIGS, BIG // MIB, top), flush=True)
        b.prepare()
        results = [(w, {}) for w in workloads(b.list)]
        targets = ["live", "snap", "null", "raw", "store"] + (["peer"] if ARGS.peer else [])
        for n in range(ROUNDS):
            for w, by in results:
                line = []
                # Another order each round: nobody always runs after the same one.
                for target in targets[n % len(targets):] + targets[:n % len(targets)]:
                    r = b.measure(w, target)
                    if r:
                        by.setdefault(target, []).append(r)
                        line.append("%s %s" % (target, number(r["rate"])))
                print("# round %d, %s (%s): %s" % (n + 1, w.name, w.unit, ", ".join(sorted(line))), flush=True)
        rs = rows(results, b.xfer == MIB)
        print(table(rs))
        return b.read_ahead_kb, results, rs
    finally:
        b.destroy()
        for pid in pids("."):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(top, ignore_errors=True)


def save(commit, done):
    date = datetime.date.today().isoformat()
    out = os.path.join(TOP, "docs/benchmarks")
    os.makedirs(out, exist_ok=True)
    base = os.path.join(out, "%s-%s%s" % (date, commit, "-quick" if ARGS.quick else ""))
    load = "%.1f" % os.getloadavg()[2]
    info = {"date": date, "commit": commit, "quick": ARGS.quick, "rounds": ROUNDS, "machine": machine(),
            "load_15min_at_the_end": load, "read_ahead_kb": done[0][1], "mount_options": ARGS.mount_options,
            "peer": ARGS.peer or "no peer",
            "data_set": {"dirs": DIRS, "files_per_dir": PER_DIR, "file_bytes": SMALL, "bigs": BIGS, "big_bytes": BIG}}
    with open(base + ".json", "w", encoding="utf-8") as f:
        faces = {face: {"rows": rs, "runs": [{"workload": w.name, "targets": by} for w, by in results]}
                 for face, _, results, rs in done}
        json.dump({**info, "faces": faces}, f, indent=1)
        f.write("\n")
    with open(base + ".svg", "w", encoding="utf-8") as f:
        f.write(plot([(face, rs) for face, _, _, rs in done]))
    with open(base + ".md", "w", encoding="utf-8") as f:
        m = info["machine"]
        f.write("# Benchmark of %s, %s\n\n%s, %d cores, %d GiB, %s, Linux %s; %s. Medians of %d rounds; spread = (max - min)"
                " / median. Load of the machine over the last 15 minutes: %s.\nData set: %d files of 110 KiB in %d directories,"
                " %d of %d MiB; read_ahead_kb %s.\n\n![ratios to the limit](%s.svg)\n" % (
                    commit, date, m["cpu"], m["cores"], m["memory_gib"], m["system"], m["kernel"],
                    ", ".join("%s %s" % kv for kv in m["libraries"].items()), ROUNDS, load, DIRS * PER_DIR, DIRS, BIGS,
                    BIG // MIB, done[0][1], os.path.basename(base)))
        for face, _, _, rs in done:
            f.write("\n## %s\n\n%s\n" % (face, table(rs)))
    print("# written: %s.json, .md and .svg" % os.path.relpath(base, TOP))


try:
    sys.exit(main())
except t.Failed as e:
    print("bench: %s" % e, file=sys.stderr)
    sys.exit(1)
