#!/usr/bin/env python3
"""Does every reply in a record have the form that ONTAP's OpenAPI description gives it?

    check.py RECORD...      RECORD: written by `ontapsim ctl DIR record` or ONTAPSIM_RECORD

ontap-openapi.json and more.json hold the forms. They are taken strictly: a field that a form does
not name is an error, as a wrong type, value or format is.
"""
import collections
import datetime
import json
import os
import re
import sys
import uuid

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return json.load(f)


def strict(schema):
    """Objects have the properties they name and no others."""
    if isinstance(schema, dict):
        for v in schema.values():
            strict(v)
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for v in schema:
            strict(v)
    return schema


FORMS = load("ontap-openapi.json")
MORE = load("more.json")
FORMS["paths"].update(MORE["paths"])
FORMS["definitions"].update(MORE["definitions"])
for name, form in FORMS["definitions"].items():
    # The answer to a change of several records; NetApp's Python library documents it.
    if name.endswith("_job_link_response"):
        form["properties"]["jobs"] = {"type": "array", "items": {"$ref": "#/definitions/job_link"}}
strict(FORMS["definitions"])
PATHS = [(re.compile("/api" + re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(p)) + "/?$"), p) for p in FORMS["paths"]]
CHECKS = jsonschema.FormatChecker(())


@CHECKS.checks("uuid", ValueError)
def is_uuid(v):
    return not isinstance(v, str) or bool(uuid.UUID(v))


@CHECKS.checks("date-time", ValueError)
def is_time(v):
    if isinstance(v, str) and datetime.datetime.fromisoformat(v.replace("Z", "+00:00")).tzinfo is None:
        raise ValueError("no zone")
    return True


VALIDATORS = {}


def validator(path, method, status):
    key = (path, method, status)
    if key not in VALIDATORS:
        answers = FORMS["paths"][path].get(method.lower(), {})
        form = answers.get(str(status)) or (answers.get("default") if status >= 400 else None)
        # An unknown verb or account has no reply of its own; a success without a form is empty.
        if not form and status >= 400:
            form = {"$ref": "#/definitions/error_response"}
        elif not form and method.lower() in FORMS["paths"][path]:
            form = {"type": "object", "maxProperties": 0}
        VALIDATORS[key] = form and jsonschema.Draft7Validator({**form, "definitions": FORMS["definitions"]},
                                                              format_checker=CHECKS)
    return VALIDATORS[key]


def form_of(x):
    path = x["uri"].split("?")[0]
    for pattern, p in PATHS:
        if pattern.match(path):
            return validator(p, "GET" if x["method"] == "HEAD" else x["method"], x["status"])
    return jsonschema.Draft7Validator({"$ref": "#/definitions/error_response", "definitions": FORMS["definitions"]},
                                      format_checker=CHECKS) if x["status"] >= 400 else None


def main(records):
    n = good = without = 0
    wrong = collections.Counter()
    for name in records:
        for text in open(name, encoding="utf-8"):
            x = json.loads(text)
            if x.get("reply") is None:
                continue
            n += 1
            v = form_of(x)
            if v is None:
                without += 1
                wrong["no form for %s %s (%d)" % (x["method"], x["uri"].split("?")[0], x["status"])] += 1
                continue
            errors = list(v.iter_errors(x["reply"]))
            good += not errors
            for e in errors:
                where = ".".join(str(p) for p in e.absolute_path if not isinstance(p, int))
                wrong["%s %s: %s: %s" % (x["method"], re.sub(r"[0-9a-f-]{36}", "UUID", x["uri"].split("?")[0]), where,
                                         e.message[:160])] += 1
    for what, times in wrong.most_common(60):
        print("not ok - %s (%d times)" % (what, times))
    print("schema: %d replies, %d conform, %d without schema" % (n, good, without))
    # Few replies would prove little: the run went wrong before it came here.
    return good == n and n > 100


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
