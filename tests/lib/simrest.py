"""A plain REST client for cases that look at the simulator itself."""
import base64
import http.client
import json
import ssl
import time
import urllib.parse


class Reply:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def body(self):
        return json.loads(self.raw) if self.raw else {}

    @property
    def code(self):
        return int(self.body["error"]["code"])

    @property
    def records(self):
        return self.body["records"]

    @property
    def names(self):
        return [r["name"] for r in self.records]


class Rest:
    """Talks to the simulator in a directory as one of its accounts; one connection a request."""

    def __init__(self, sim_dir, account="vsadmin", **headers):
        with open(sim_dir + "/backend.json", encoding="utf-8") as f:
            self.port = json.load(f)["ontapfs"]["restPort"]
        with open(sim_dir + "/accounts.json", encoding="utf-8") as f:
            self.auth = account + ":" + json.load(f)[account]["password"]
        self.tls = ssl.create_default_context(cafile=sim_dir + "/cert.pem")
        self.headers = {k.replace("_", "-"): v for k, v in headers.items()}

    def call(self, method, path, body=None, timeout=30, **query):
        headers = {"Authorization": "Basic " + base64.b64encode(self.auth.encode()).decode(), **self.headers}
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if not path.startswith("/api"):
            path = "/api" + path
        c = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=timeout)
        try:
            c.request(method, path, None if body is None else json.dumps(body), headers)
            r = c.getresponse()
            return Reply(r.status, r.headers, r.read())
        finally:
            c.close()

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def job(self, reply):
        """Waits for the job of a reply; returns its record."""
        return self.ended(reply.body["job"]["uuid"])

    def ended(self, uuid):
        end = time.monotonic() + 30
        while True:
            j = self.get("/cluster/jobs/" + uuid).body
            if j["state"] in ("success", "failure") or time.monotonic() > end:
                return j
            time.sleep(0.02)

    def do(self, method, path, body=None, **query):
        """A write that must succeed; waits for its jobs."""
        r = self.call(method, path, body if body is not None else {}, **query)
        if r.status >= 400:
            raise AssertionError("%s %s: %d %s" % (method, path, r.status, r.raw))
        for ref in r.body.get("jobs", [r.body["job"]] if "job" in r.body else []):
            j = self.ended(ref["uuid"])
            if j["state"] != "success":
                raise AssertionError("%s %s: %s" % (method, path, j))
        return r

    def uuid(self, volume):
        return self.get("/storage/volumes", name=volume).records[0]["uuid"]
