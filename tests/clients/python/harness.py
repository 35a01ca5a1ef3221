"""One operation of a client = one function marked with @op. They run in the order
of the file, each on what the ones before left; a failure is told and the rest goes on."""
import importlib.metadata
import json
import os
import sys
import time
import traceback

SIM = os.environ["SIM"]
OPS = []
SKIPPED = []


def op(name):
    def mark(function):
        OPS.append((name, function))
        return function
    return mark


def skip(name, reason):
    """An operation of the client that cannot be shown here."""
    SKIPPED.append((name, reason))


def backend():
    with open(os.path.join(SIM, "backend.json"), encoding="utf-8") as f:
        return json.load(f)


def accounts():
    with open(os.path.join(SIM, "accounts.json"), encoding="utf-8") as f:
        return json.load(f)


def raises(code, function, *args, **kwargs):
    """FUNCTION must be refused with the error CODE by ONTAP, as the library reports it."""
    from netapp_ontap.error import NetAppRestError
    try:
        function(*args, **kwargs)
    except NetAppRestError as e:
        got = e.response_body and (e.response_body.get("error") or e.response_body).get("code")
        assert str(got) == str(code), "code %s instead of %s: %s" % (got, code, e)
        return e
    raise AssertionError("not refused (code %s expected)" % code)


def main(package, label):
    ok = 0
    for name, function in OPS:
        begin = time.monotonic()
        try:
            function()
            ok += 1
            print("ok   %s (%.1f s)" % (name, time.monotonic() - begin), flush=True)
        except Exception:  # pylint: disable=broad-except
            text = traceback.format_exc(limit=-6)
            print("FAIL %s\n     %s" % (name, text.rstrip().replace("\n", "\n     ")), flush=True)
    for name, reason in SKIPPED:
        print("skip %s: %s" % (name, reason))
    print("%s %s: %d ok, %d failed" % (label, importlib.metadata.version(package), ok, len(OPS) - ok))
    sys.exit(ok != len(OPS))
