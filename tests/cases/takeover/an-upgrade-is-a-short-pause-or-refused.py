#!/usr/bin/env python3
"""`ontapfs upgrade`: another daemon under load without an error; what cannot follow is refused, and nothing changes."""
# needs: own-mount
# time-limit: 120
# log-ok: killed by signal 9|died of signal 9|upgrade refused
import os
import re
import shutil
import struct
import load
import ontapfs_test as t


def upgrade(mnt, refused=None):
    p = t.run(t.ONTAPFS, "upgrade", mnt, check=False, timeout=60)
    if refused is None:
        t.eq((p.returncode, p.stderr), (0, ""), "upgrade")
        t.ok(re.search(r": daemon \d+ took over( from \d+)?, requests waited [\d.]+ ms$", p.stdout.strip()), p.stdout)
        return float(p.stdout.split()[-2])
    t.eq(p.returncode, 1, "exit status of a refused upgrade")
    t.ok(re.match(r"ontapfs: %s is not upgraded: .*%s" % (re.escape(mnt), refused), p.stderr), p.stderr)
    t.eq(p.stderr.count("\n"), 1, "one sentence: " + p.stderr)
    return None


def state_of(holder):
    """The shared state, which outlives daemons, as a file."""
    d = "/proc/%d/fd" % holder
    return [d + "/" + n for n in os.listdir(d) if "ontapfs-state" in os.readlink(d + "/" + n)][0]


def changed(path, at, old, new):
    """Four bytes of the state that must be `old` become `new`."""
    with open(path, "r+b", buffering=0) as f:
        f.seek(at)
        t.eq(f.read(4), old, "in the state at %d" % at)
        f.seek(at)
        f.write(new)


with t.own_sim() as sim:
    config = t.WORK + "/backend.json"
    shutil.copy2(sim.backend, config)
    with t.Gateway(config, t.WORK + "/mnt") as gw:
        vol, behind = gw.mnt + "/project1", sim.path()
        os.mkdir(vol + "/work")
        t.write(vol + "/f", "held")
        held = os.open(vol + "/f", os.O_RDWR)
        workers = load.Load(vol + "/work", behind + "/work", 2)
        workers.goes_on()
        for i in range(3):
            old = gw.process()
            pause = upgrade(gw.mnt)
            print("requests waited %.1f ms" % pause)
            t.ok(gw.process() not in (None, old), "another daemon")
            workers.goes_on()

        # Another version's tables, another session with the kernel, no configuration.
        state, daemon = state_of(gw.process("ontapfs-hold")), gw.process()
        with open(state, "rb") as f:
            version = f.read(12)[8:]
        changed(state, 8, version, struct.pack("=I", 4711))
        upgrade(gw.mnt, refused=r"the mount's state is of version 4711, this program knows version \d+")
        changed(state, 8, struct.pack("=I", 4711), version)
        with open(state, "rb") as f:
            head = f.read(4096)
        # Recorded are the request (its second word is FUSE_INIT) and, 256 bytes on, the answer:
        # struct fuse_init_out begins with major, minor, max_readahead, flags.
        flags = head.index(struct.pack("=I", 26), 184) - 4 + 256 + 12
        t.eq(struct.unpack_from("=I", head, flags - 12)[0], 7, "FUSE's major version")
        changed(state, flags, head[flags:flags + 4], b"\0\0\0\0")
        upgrade(gw.mnt, refused="another FUSE session")
        changed(state, flags, b"\0\0\0\0", head[flags:flags + 4])
        t.write(config + ".new", "{ this is no JSON")
        os.chmod(config + ".new", 0o600)
        os.rename(config, config + ".old")
        os.rename(config + ".new", config)
        upgrade(gw.mnt, refused="")
        os.rename(config + ".old", config)
        t.eq(gw.process(), daemon, "the daemon serves on")
        workers.goes_on()

        # What cannot be changed any more does not stand in the way.
        text = t.read(config).decode().replace('"ontapfs": {', '"ontapfs": {"max_background": 17, ', 1)
        t.write(config, text)
        upgrade(gw.mnt)
        workers.goes_on()
        gw.replace_daemon()
        workers.goes_on()
        t.eq(os.pread(held, 9, 0), b"held", "open file")
        os.close(held)
        print("longest pause of a call %.2f s" % workers.stop())
    p = t.run(t.ONTAPFS, "upgrade", gw.mnt, check=False)
    t.eq((p.returncode, p.stderr), (1, "ontapfs: cannot upgrade %s: no holder of an ontapfs there answers; 'ontapfs status' lists the mounts\n" % gw.mnt),
         "no mount")
