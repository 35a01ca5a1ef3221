#!/usr/bin/env python3
"""Without an argument `ontapfs` says what to do next; each command has examples, JSON where it prints data, plain text where
no terminal is, and errors that name a remedy."""
import json
import os
import re
import ontapfs_test as t

PRINTS_NOTHING = {"mount", "umount"}
DIR = t.MNT


def say(*args):
    return t.run(t.ONTAPFS, *args, check=False)


p = say()
t.eq(p.returncode, 0, "without argument")
for step in ("ontapfs doctor", "ontapfs mount", ".ontap/README", "ontapfs --help"):
    t.ok(step in p.stdout, "what to do next: %s" % step)

commands = re.findall(r"^  ([a-z]+) [A-Z\[].*", say("--help").stdout.split("Commands:")[1], re.M)
t.ok({"mount", "top", "log", "wait"} <= set(commands), "commands: %s" % commands)
for c in commands:
    p = say(c, "--help")
    t.eq(p.returncode, 0, c + " --help")
    examples = re.findall(r"^  .*\bontapfs %s\b.*" % c, p.stdout.split("Examples:")[-1], re.M)
    t.ok("Examples:" in p.stdout and examples, "%s has examples" % c)
    t.eq("--json" in p.stdout, c not in PRINTS_NOTHING, "%s has --json" % c)

# Errors: what to do stands in each.
t.eq(os.path.ismount(t.WORK), False, "no mount there")
for args, remedy in ((["nonsense"], "'ontapfs --help' lists the commands"),
                     (["umount", t.WORK], "'ontapfs status' lists the mounts"),
                     (["umount"], "'ontapfs status' lists the mounts"),
                     (["upgrade", t.WORK], "'ontapfs status' lists the mounts"),
                     (["jobs", t.WORK], "'ontapfs status' lists the mounts"),
                     (["top", t.WORK], "'ontapfs status' lists the mounts"),
                     (["status", t.WORK], "'ontapfs status' lists the mounts"),
                     (["restore", DIR + "/project1", "nobody"], "'ontapfs log"),
                     (["wait"], "EINPROGRESS"),
                     (["top", "--interval", "0", DIR], "--help")):
    p = say(*args)
    t.ok(p.returncode != 0 and remedy in p.stderr, "%s: %s" % (" ".join(args), p.stderr))
    t.eq((p.stdout, "\x1b" in p.stderr), ("", False), "%s: nothing else" % args[0])

# JSON is JSON; tables have no colours here.
t.take()
for args in (["status"], ["status", DIR], ["log", DIR + "/project1"], ["jobs", DIR], ["top", "--total", DIR],
             ["wait", DIR + "/project1/.snapshots/nobody"], ["restore", DIR + "/project1", t.snap().rsplit("/", 1)[1]]):
    p = say(args[0], "--json", *args[1:])
    json.loads(p.stdout)
    t.ok("\x1b" not in say(*args).stdout, "%s is plain" % args[0])
one = json.loads(say("restore", "--json", DIR + "/project1", t.snap().rsplit("/", 1)[1]).stdout)
t.eq((one["volume"], one["done"], type(one["lost"])), ("project1", False, list), "restore tells, and does nothing")
t.eq(json.loads(say("wait", "--json", DIR + "/project1/.snapshots/nobody").stdout)["result"], "idle", "wait")
