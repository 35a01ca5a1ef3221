#!/usr/bin/env python3
"""tests/all/run: each part once for a commit, stopped and continued, again when asked; a wrong last line is a failure."""
# needs: own-mount
import os
import signal
import subprocess
import ontapfs_test as t

ALL = [t.TOP + "/tests/all/run", "--parts", t.WORK + "/parts", "--state", t.WORK + "/state",
       "--evidence", t.WORK + "/evidence"]
os.environ["RAN"] = t.WORK + "/ran"
os.mkfifo(t.WORK + "/ran.go")
t.write(t.WORK + "/parts", r"""# the second waits for its permission
one    1m  echo one >> "$RAN"; echo 'done: 1'
	done: \d
two    1m  echo two >> "$RAN"; read -r x < "$RAN.go"; echo 'done: 2'
	done: \d
three  1m  echo three >> "$RAN"; echo 'the suite is not there'; exit 77
	done: \d
""".encode())


def ran():
    return t.read(t.WORK + "/ran").decode().split() if os.path.exists(t.WORK + "/ran") else []


def run(*args, status=0):
    p = subprocess.run(ALL + list(args), stdout=subprocess.PIPE, text=True, timeout=50, check=False)
    t.eq(p.returncode, status, "exit status: " + p.stdout)
    return p.stdout.splitlines()


# The parts that are in the tree: a table that is none would be noticed only when somebody wants hours of it.
p = subprocess.run([t.TOP + "/tests/all/run", "--list"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
t.eq(p.returncode, 0, "tests/all/parts is a table of parts: " + p.stdout)

with subprocess.Popen(ALL, stdout=subprocess.PIPE, text=True) as p:
    t.wait_for(lambda: "two" in ran(), "the second part", 30)
    p.send_signal(signal.SIGTERM)
    out = p.communicate(timeout=30)[0]
t.eq(p.returncode, 130, "exit status of a stopped run")
t.ok("passed one: done: 1" in out and "two" not in out, "the first part ended, the second did not: " + out)

os.unlink(t.WORK + "/ran.go")
t.write(t.WORK + "/ran.go", b"go\n")
out = run()
t.eq(ran(), ["one", "two", "two", "three"], "the first part is not run again, the stopped one is")
t.eq(out[0], "passed one (before): done: 1", "what was done before is said")
t.eq(out[-1], "3 parts, 2 passed, 0 failed, 1 skipped", "counts")
lines = t.read(t.WORK + "/evidence").decode().splitlines()
t.eq([x.split(" | ")[2:6:2] for x in lines], [["one", "passed"], ["two", "passed"]], "evidence: of parts that ended")

run("--again", "tw.")
t.eq(ran()[4:], ["two", "three"], "again when asked; what was skipped is tried again")

with open(t.WORK + "/parts", "a", encoding="utf-8") as f:
    f.write("lies      1m  echo 'done: none'\n\tdone: \\d\n"
            "fails     1m  echo 'done: 5'; exit 1\n\tdone: \\d\n"
            "silent    1m  :\n\tdone: \\d\n"
            "for-ever  1s  echo 'done: 6'; exec tail -f /dev/null\n\tdone: \\d\n")
out = run(status=1)
t.eq(out[-1], "7 parts, 2 passed, 4 failed, 1 skipped", "counts: " + "\n".join(out))
t.eq(run("-k", "fails", status=1)[-1], "1 parts, 0 passed, 1 failed, 0 skipped", "a failure is not forgotten")
t.ok("neither" in subprocess.run(ALL + ["--parts", __file__], stderr=subprocess.PIPE, text=True, check=False).stderr,
     "a table that is none is refused")
