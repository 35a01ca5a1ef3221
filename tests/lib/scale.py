"""A filer with many volumes, each with many snapshots: what the gateway asks of it.

The requests are those that the simulator was sent (`ontapsim ctl DIR record`),
not what the gateway says of itself. Counts are asserted, times only measured.
"""
import json
import os
import time
import ontapfs_test as t

PAGE = 1000                       # volumes the gateway asks for at a time
OTHERS = 3                        # the simulator's ordinary volumes that are listed
DISCOVERY = 5                     # requests before the first list of volumes, at most


class Recorder:
    """The REST requests of a simulator, as they come."""

    def __init__(self, sim):
        self.path = sim.dir + ".rest"
        t.run(t.ONTAPSIM, "ctl", sim.dir, "record", self.path)
        self.at = 0

    def new(self):
        """Those since the last call: [(method, path with query)]."""
        with open(self.path, "rb") as f:
            f.seek(self.at)
            lines = f.read().splitlines(keepends=True)
        lines = [s for s in lines if s.endswith(b"\n")]
        self.at += sum(map(len, lines))
        out = [json.loads(s) for s in lines]
        return [(x["method"], x["uri"]) for x in out]


def rss_mib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(s.split()[1]) for s in f if s.startswith("VmRSS:")) / 1024


def measure(volumes, snapshots, idle_s):
    """Mounts such a filer and looks around; returns what it measured. idle_s: how long
    to watch an idle mount, more than its catalog_refresh."""
    pages = -(-volumes // PAGE) + 1   # one more: some pages bring the SVM's root volume
    refresh_s = 30
    with t.own_sim("--synthetic-volumes", volumes - OTHERS, "--synthetic-snapshots", snapshots) as sim:
        rest = Recorder(sim)
        start = time.monotonic()
        gw = t.Gateway(sim.backend, os.path.join(t.WORK, "mnt"))
        with gw:
            names = os.listdir(gw.mnt)
            ready_ms = (time.monotonic() - start) * 1000
            t.eq(len(names), volumes, "entries of the first listing")
            t.eq(len(set(names)), volumes, "different ones")
            first = rest.new()
            t.ok(len(first) <= DISCOVERY + pages, "requests until the first listing: %r" % first)

            # A listing asks nobody about its entries, nor does one with their kinds.
            before = t.nfs_calls(gw.mnt)
            with os.scandir(gw.mnt) as it:
                t.ok(all(e.is_dir(follow_symlinks=False) for e in it), "volumes are directories")
            t.eq(rest.new(), [], "requests of a second listing")
            t.eq(t.nfs_calls(gw.mnt) - before, 0, "NFS calls of a listing")

            # One targeted question about a name that the catalog has not.
            for name in ("nosuchvolume", "synth00001x"):
                t.expect(2, os.stat, os.path.join(gw.mnt, name))  # ENOENT
                asked = rest.new()
                t.eq(len(asked), 1, "requests about an unknown name: %r" % asked)
                t.ok("name=" + name in asked[0][1], "it names it: %s" % asked[0][1])
            # Nothing but NFS for one that it has.
            t.eq(os.listdir(os.path.join(gw.mnt, "synth00001")), [], "an empty volume")
            t.eq(rest.new(), [], "requests about a known name")

            # The snapshots of a volume: one request for all of them, none again.
            snapdir = os.path.join(gw.mnt, "synth00002", ".snapshots")
            t.eq(len(os.listdir(snapdir)), snapshots, "snapshots")
            asked = rest.new()
            t.eq(len(asked), 1, "requests of a listing of snapshots: %r" % asked)
            t.eq(len(os.listdir(snapdir)), snapshots, "snapshots again")
            t.eq(rest.new(), [], "requests of the same listing again")

            # Idle: the catalog, and the one list that was looked at.
            t.pause(idle_s)
            idle = rest.new()
            lists = [u for _, u in idle if "/snapshots" in u]
            rest_of = [u for _, u in idle if "/snapshots" not in u]
            t.ok(len(lists) <= idle_s / 5 + 1, "background lists of snapshots: %d" % len(lists))
            t.ok(len(rest_of) <= pages * (idle_s // refresh_s + 1), "background lists of volumes: %d" % len(rest_of))
            t.eq([u for u in rest_of if not u.startswith("/api/storage/volumes?")], [], "other background requests")
            return {"volumes": volumes, "ready_ms": round(ready_ms), "first_ls_entries": len(names),
                    "rest_requests": len(first), "requests_per_minute_idle": round(len(idle) * 60 / idle_s),
                    "rss_mib": round(rss_mib(gw.process()))}
