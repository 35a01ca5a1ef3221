"""What dies under a mixed load: the daemon, or the NFS server. Nobody may notice more than a pause."""
import os
import random
import re
import time
import killpoints
import load
import ontapfs_test as t


class Pauses:
    """Of the first call after each death, on an open file."""

    def __init__(self, top):
        t.write(top + "/held", b"-" * 4096)
        self.fd, self.seconds = os.open(top + "/held", os.O_RDWR), []

    def check(self, begin):
        word = b"%08d" % len(self.seconds)
        os.pwrite(self.fd, word, 8 * (len(self.seconds) % 500))
        self.seconds.append(time.monotonic() - begin)
        t.eq(os.pread(self.fd, 8, 8 * ((len(self.seconds) - 1) % 500)), word, "what was written")

    def end(self):
        """The line's part about pauses."""
        os.close(self.fd)
        p = sorted(self.seconds)
        return "p50_ms=%.0f p99_ms=%.0f" % (p[len(p) // 2] * 1000, p[min(len(p) - 1, len(p) * 99 // 100)] * 1000)


def stat_of(gw, name):
    return sum(int(v) for v in re.findall(r"^%s(?:\{[^}]*\})? (\d+)$" % name, t.read(gw.mnt + "/.ontap/stats").decode(), re.M))


def start(sim, gw):
    vol = gw.mnt + "/project1"
    os.mkdir(vol + "/work")
    workers = load.Load(vol + "/work", sim.path() + "/work", 3)
    workers.goes_on()
    return workers


def end(workers):
    """Steps that were done; raises when any answer was wrong, or anything done twice or lost."""
    longest, steps = workers.stop(), sum(workers.progress())
    return steps, longest


def daemon_kills(times):
    """The line that counts, once all went well."""
    with t.own_mount() as (sim, gw):
        pauses, holder = Pauses(gw.mnt + "/project1"), gw.process("ontapfs-hold")
        workers = start(sim, gw)
        for i in range(times):
            old = t.wait_for(lambda: killpoints.daemon_of(holder), "a daemon", 30)
            begin = time.monotonic()
            t.kill_daemon(old)
            pauses.check(begin)
            t.pause(random.uniform(0, 0.1))
            if i % 10 == 9:
                workers.goes_on()
        steps, _ = end(workers)
        return "kills=%d steps=%d client_errors=0 wrong_bytes=0 twice=0 lost=0 %s" % (times, steps, pauses.end())


def server_kills(times):
    """The NFS server is killed and started again; how often the gateway connected meanwhile, by its own count."""
    with t.own_mount() as (sim, gw):
        pauses = Pauses(gw.mnt + "/project1")
        workers = start(sim, gw)
        begin_all, connects = time.monotonic(), stat_of(gw, "ontapfs_nfs_reconnects_total")
        for _ in range(times):
            sim.kill("nfs")
            sim.up()
            pauses.check(time.monotonic())
            workers.goes_on()
        seconds = time.monotonic() - begin_all
        connects = stat_of(gw, "ontapfs_nfs_reconnects_total") - connects
        steps, longest = end(workers)
        # Each worker thread of the daemon has a connection of its own, and each server dies once.
        threads = os.cpu_count() or 1
        t.ok(connects <= times * min(8, threads) * 2, "%d connections in %d restarts" % (connects, times))
        return "restarts=%d steps=%d errors=0 lost=0 reconnects=%d seconds=%.0f longest_ms=%.0f %s" % (
            times, steps, connects, seconds, longest * 1000, pauses.end())
