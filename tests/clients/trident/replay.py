#!/usr/bin/env python3
"""The requests of Trident's client, sent again: for machines that cannot build Trident.

    replay.py SIM-DIR              sends requests.jsonl, compares the answers
    replay.py --learn RECORD       makes requests.jsonl of what `ontapsim ctl DIR record` wrote during main.go

A line holds a request as Trident sent it and what came: status, number of records, and the paths
of all fields, each of which must come again. What an earlier answer gave (uuids, ids of policies
and rules) stands as {LINE:PATH}. Polls of a job are one line: its end must be the same.
"""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib"))
from simrest import Rest  # noqa: E402

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requests.jsonl")
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
POLICY, RULE = re.compile(r"(?<=/export-policies/)\d+"), re.compile(r"(?<=/rules/)\d+")
HOLE = re.compile(r"\{(\d+):([^}]+)\}")


def leaves(value, path=""):
    """(path, value) of everything in a reply that is no object or list."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, path + "." + k if path else k)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from leaves(v, "%s.%d" % (path, i))
    else:
        yield path, value


def shape(reply):
    return sorted({re.sub(r"\.\d+(?=\.|$)", "", p) for p, _ in leaves(reply)})


def at(reply, path):
    for name in path.split("."):
        reply = reply[int(name)] if isinstance(reply, list) else reply[name]
    return reply


def put_holes(text, known):
    """What an earlier reply gave becomes a reference to it."""
    text = UUID.sub(lambda m: known.get(m.group(), m.group()), text)
    text = RULE.sub(lambda m: known.get(("index", int(m.group())), m.group()), text)
    return POLICY.sub(lambda m: known.get(("id", int(m.group())), m.group()), text)


def learn(record):
    known, seen, out = {}, set(), []
    for text in open(record, encoding="utf-8"):
        x = json.loads(text)
        line = {"method": x["method"], "uri": put_holes(x["uri"], known), "status": x["status"]}
        if x.get("body"):
            line["body"] = json.loads(put_holes(json.dumps(x["body"]), known))
        reply = x.get("reply", {})
        if line["uri"].startswith("/api/cluster/jobs/"):
            if reply["state"] not in ("success", "failure"):
                continue
            line["job"] = [reply["state"], reply.get("code")]
        elif "num_records" in reply:
            line["records"] = reply["num_records"]
        line["fields"] = shape(reply)
        # The same question with the same answer proves nothing new; what changes something always counts.
        key = json.dumps(line)
        if x["method"] == "GET" and key in seen:
            continue
        seen.add(key)
        for path, value in leaves(reply):
            name = path.split(".")[-1]
            if name in ("id", "index"):
                known[name, value] = "{%d:%s}" % (len(out), path)
            elif name == "uuid":
                known.setdefault(value, "{%d:%s}" % (len(out), path))
        out.append(line)
    with open(FILE, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(line) + "\n" for line in out)
    print("%d requests" % len(out))


def send(rest, line, replies):
    fill = lambda m: str(at(replies[int(m.group(1))], m.group(2)))  # noqa: E731
    uri = HOLE.sub(fill, line["uri"])
    body = json.loads(HOLE.sub(fill, json.dumps(line["body"]))) if "body" in line else None
    end = time.monotonic() + 60
    while True:
        r = rest.call(line["method"], uri, body)
        if "job" not in line or r.body.get("state") in ("success", "failure") or time.monotonic() > end:
            return r
        time.sleep(0.02)


def differences(line, r):
    if r.status != line["status"]:
        yield "status %d instead of %d: %s" % (r.status, line["status"], r.raw[:200])
        return
    if r.body.get("num_records") != line.get("records") and "records" in line:
        yield "%s records instead of %d" % (r.body.get("num_records"), line["records"])
    if "job" in line and [r.body.get("state"), r.body.get("code")] != line["job"]:
        yield "the job ended with %s %s instead of %s" % (r.body.get("state"), r.body.get("code"), line["job"])
    missing = set(line["fields"]) - set(shape(r.body))
    if missing:
        yield "no field " + ", ".join(sorted(missing))


def replay(sim):
    rest = Rest(sim, Accept="application/hal+json", X_Dot_Client_App="Trident/26.06.0")
    replies, good, bad = [], 0, 0
    for i, text in enumerate(open(FILE, encoding="utf-8")):
        line = json.loads(text)
        try:
            r = send(rest, line, replies)
            wrong = list(differences(line, r))
        except (KeyError, IndexError, OSError, ValueError) as e:
            wrong, r = ["%s: %s" % (type(e).__name__, e)], None
        replies.append(r.body if r else {})
        bad, good = bad + bool(wrong), good + (not wrong)
        for w in wrong:
            print("not ok - line %d, %s %s: %s" % (i + 1, line["method"], line["uri"], w))
    print("trident replay: %d ok, %d failed" % (good, bad))
    return bad


if __name__ == "__main__":
    if sys.argv[1] == "--learn":
        learn(sys.argv[2])
    else:
        sys.exit(1 if replay(sys.argv[1]) else 0)
