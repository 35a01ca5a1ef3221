#!/usr/bin/env python3
"""kill -9 of the daemon is a pause: open files, removed files, mmaps, cwd, half-read directories, readers and writers go on; nothing is done twice."""
# needs: own-mount
# time-limit: 120
# log-ok: killed by signal 9|died of signal 9
# cells: takeover
import mmap
import os
import ontapfs_test as t

ROUNDS = 4


def daemon(gw):
    """The daemon serves; the holder and the notifier are other processes."""
    found = []
    for p, c in t.gateway_processes(gw.mnt):
        if "ontapfs-hold" not in c:
            with open("/proc/%d/stat" % p, encoding="ascii", errors="replace") as f:
                found.append((p, int(f.read().rsplit(")", 1)[1].split()[1])))
    mine = {p for p, _ in found}
    return [p for p, parent in found if parent not in mine]


def log_sizes(behind):
    logs = ["%s/log%d" % (behind, w) for w in range(3)]
    return [os.path.getsize(x) if os.path.exists(x) else 0 for x in logs]


with t.own_mount() as (sim, gw):
    vol, behind = gw.mnt + "/project1", sim.path()  # which runs a program
    os.makedirs(vol + "/d/e")
    for i in range(600):
        t.write("%s/d/f%03d" % (behind, i), "content %d" % i)
    data = os.urandom(2 << 20)
    t.write(vol + "/f", data)
    t.write(vol + "/removed", data)
    t.write(vol + "/mapped", data)
    os.mkdir(vol + "/.snapshots/s")
    held = os.open(vol + "/f", os.O_RDWR)
    removed = os.open(vol + "/removed", os.O_RDWR)
    os.unlink(vol + "/removed")
    frozen = os.open(vol + "/.snapshots/s/f", os.O_RDONLY)
    with open(vol + "/mapped", "r+b") as f:
        mapped = mmap.mmap(f.fileno(), 0)
    os.chdir(vol + "/d/e")

    stop_r, stop_w = os.pipe()
    os.set_blocking(stop_r, False)
    workers = []
    for w in range(3):
        pid = os.fork()
        if pid == 0:
            os.close(stop_w)
            n = 0
            try:
                # Each step must happen exactly once, or it fails.
                while True:
                    try:
                        if os.read(stop_r, 1) == b"":
                            break
                    except BlockingIOError:
                        pass
                    base = "%s/w%d-%d" % (vol, w, n)
                    os.mkdir(base)
                    fd = os.open(base + "/x", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                    os.write(fd, b"%d" % n)
                    os.close(fd)
                    os.link(base + "/x", base + "/y")
                    os.rename(base + "/x", base + "/z")
                    t.eq(t.read(base + "/z"), b"%d" % n, "content")
                    os.symlink("z", base + "/l")
                    for name in ("y", "z", "l"):
                        os.unlink(base + "/" + name)
                    os.rmdir(base)
                    fd = os.open("%s/log%d" % (vol, w), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                    os.write(fd, b"%06d\n" % n)
                    os.close(fd)
                    n += 1
                os._exit(0)
            except BaseException as e:
                print("worker %d, step %d: %r" % (w, n, e), flush=True)
                os._exit(1)
        workers.append(pid)
    os.close(stop_r)

    for round_ in range(ROUNDS):
        half = os.scandir(vol + "/d")
        seen = [next(half).name for _ in range(100)]
        old = daemon(gw)
        t.eq(len(old), 1, "one daemon")
        size = log_sizes(behind)
        t.kill_daemon(old[0])
        seen += [e.name for e in half]
        t.eq(sorted(x for x in seen if x != "e"), ["f%03d" % i for i in range(600)], "half-read directory")
        t.ok(os.pread(held, len(data), 0)[100:] == data[100:], "open file")
        os.pwrite(held, b"round %d" % round_, 0)
        t.eq(os.pread(held, 7, 0), b"round %d" % round_, "written after the kill")
        t.ok(os.pread(removed, len(data), 0) == data, "open and removed file")
        t.ok(os.pread(frozen, len(data), 0) == data, "file in a snapshot")
        mapped[4096 * round_] = 65 + round_
        mapped.flush()
        t.eq(os.getcwd(), vol + "/d/e", "working directory")
        t.write("here", "in the working directory")
        os.unlink("here")
        new = t.wait_for(lambda o=old: [p for p in daemon(gw) if p not in o], "a new daemon", 20)
        t.wait_for(lambda s=size: all(now > was + 70 for now, was in zip(log_sizes(behind), s)),
                   "all workers to go on", 30)
    os.close(stop_w)
    t.eq([os.waitpid(p, 0)[1] for p in workers], [0] * 3, "exit of the workers")
    for w in range(3):
        lines = t.read("%s/log%d" % (vol, w)).split(b"\n")[:-1]
        t.eq(lines, [b"%06d" % i for i in range(len(lines))], "each append once, in order")
    want = bytearray(data)
    for r in range(ROUNDS):
        want[4096 * r] = 65 + r
    t.ok(t.read(behind + "/mapped") == bytes(want), "mapped file at the server")
    mapped.close()
    for fd in (held, removed, frozen):
        os.close(fd)
    os.chdir("/")
    t.wait_for(lambda: not [n for n in os.listdir(behind) if n.startswith(".nfs")], "no .nfs file is left", 10)
    t.eq([n for n in os.listdir(vol) if n.startswith("w")], [], "nothing half done is left")
    os.mkdir(vol + "/.snapshots/after")
    t.ok("after" in t.rest_snapshots(sim=sim.dir), "a snapshot after all that")
