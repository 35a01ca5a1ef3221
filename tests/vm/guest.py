"""What the tests inside of the guest have in common.

A test is a function marked with @test; its name states the behaviour. Each one
runs in a process of its own and has a time limit, so that one that hangs does
not take the others with it.
"""
import argparse
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import traceback

TOP = os.environ["TOP"]
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import ontapfs_test as t  # noqa: E402

HOST = (os.environ["HOST_ADDRESS"], int(os.environ["HOST_PORT"]))
GUEST_ADDRESS = os.environ["GUEST_ADDRESS"]
TESTS = []


def test(fn=None, limit=60):
    """Marks a test. limit: seconds; a guest is ten times slower than its host."""
    def mark(f):
        TESTS.append((f, limit))
        return f
    return mark(fn) if fn else mark


def host(*argv, stdin=b"", timeout=60, check=True):
    """Runs a command on the host, beside the simulator; returns its output."""
    req = {"argv": [str(a) for a in argv], "stdin": stdin.hex(), "timeout": timeout}
    with socket.create_connection(HOST, timeout=timeout + 10) as s:
        s.sendall(json.dumps(req).encode() + b"\n")
        with s.makefile("rb") as f:
            answer = json.loads(f.readline())
    out = bytes.fromhex(answer["out"])
    if check and answer["status"] != 0:
        t.fail("on the host: %s: exit %s\n%s" % (" ".join(req["argv"]), answer["status"],
                                                 out.decode(errors="replace")))
    return out


def host_store(volume="project1", sim=None):
    """The directory of a volume or VOLUME@SNAPSHOT on the host."""
    return host(t.ONTAPSIM, "path", sim or t.SIM, volume).decode().rstrip("\n")


def host_read(path):
    return host("cat", path)


def host_write(path, data):
    host("tee", "--", path, stdin=data.encode() if isinstance(data, str) else data)


def backend(sim=None):
    """What is on the host may have changed since this kernel looked at it."""
    return json.loads(host_read((sim or t.SIM) + "/backend.json"))


t.backend = backend


def say(text):
    print(text, flush=True)


def one(fn, limit):
    """(exit status of the test or None after its time limit, what it printed)."""
    said = tempfile.TemporaryFile()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            fn()
            status = 0
        except SystemExit as e:
            status = int(e.code or 0)
        except BaseException:  # noqa: B902  whatever it is, it failed
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    status, end = None, time.monotonic() + limit
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
        else:
            time.sleep(0.02)
    if status is None:
        said.write(waits_in(pid))
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)
    said.seek(0)
    with said:
        return status, said.read(1 << 20).decode(errors="replace")


def waits_in(pid):
    """Where the kernel has it, for a test that hangs."""
    out = b""
    for what in ("wchan", "stack"):
        try:
            with open("/proc/%d/%s" % (pid, what), "rb") as f:
                out += b"%s: %s\n" % (what.encode(), f.read())
        except OSError:
            pass
    return out


def size_of(path):
    return os.path.getsize(path) if path and os.path.exists(path) else 0


def tell(count, name, status, said, took, limit):
    """The lines of TAP of one test."""
    if status == 77:
        reason = (said.strip().splitlines() or ["no reason given"])[-1]
        say("ok %d - %s (%.2f s) # SKIP %s" % (count, name, took, re.sub("^skip: *", "", reason)))
    elif status == 0:
        say("ok %d - %s (%.2f s)" % (count, name, took))
    else:
        note = "time limit of %d s" % limit if status is None else "exit %d" % status
        say("not ok %d - %s (%.2f s) # %s" % (count, name, took, note))
        for line in said.splitlines()[-40:]:
            say("#   " + line[:300])


def main(area, after_first, log=None):
    """Runs the tests that the command line chooses. after_first() runs here, when
    the first test had its turn: that one finds things as they were before. What a
    failed test added to the log is shown."""
    p = argparse.ArgumentParser()
    p.add_argument("-k", action="append", default=[], metavar="REGEX")
    only = p.parse_args().k
    count = 0
    for fn, limit in TESTS:
        name = "%s/%s" % (area, fn.__name__.replace("_", "-"))
        if not only or any(re.search(k, name) for k in only):
            count += 1
            say("# begin " + name)
            begin, mark = time.monotonic(), size_of(log)
            status, said = one(fn, limit)
            if status not in (0, 77) and size_of(log) > mark:
                with open(log, encoding="utf-8", errors="replace") as f:
                    f.seek(mark)
                    said += "--- %s\n%s" % (log, f.read()[-3000:])
            tell(count, name, status, said, time.monotonic() - begin, limit)
        if after_first:
            after_first()
            after_first = None
