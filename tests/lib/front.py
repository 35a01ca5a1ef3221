"""An HTTPS server in front of a simulator's REST face: for what the simulator
itself does not do, such as logins by client certificate or hostile replies."""
import base64
import contextlib
import http.server
import json
import os
import ssl
import threading
import urllib.error
import urllib.request
import ontapfs_test as t


def make_certificate(name):
    """A self-signed certificate for CN=name in WORK: paths of (certificate, key)."""
    t.need("openssl")
    cert, key = (os.path.join(t.WORK, name + s) for s in (".pem", ".key"))
    t.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
          "-subj", "/CN=" + name, "-keyout", key, "-out", cert)
    return cert, key


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        front = self.server.front
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = front.reply(self.command, self.path) if front.reply else None
        if reply is None:
            reply = front.forward(self.command, self.path, body)
        status, text = reply
        front.seen.append((self.command, self.path, "Authorization" in self.headers))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever has had enough hangs up
            self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def log_message(self, *args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a refused handshake is what some cases are about


class Front:
    """`with Front(sim) as f`: f.config() is a backend that leads here. Clients must
    show a certificate that `client_ca` signed, if given. reply(method, path) gives
    (status, bytes), or None to pass the request on."""

    def __init__(self, sim, client_ca=None, reply=None):
        self.sim, self.reply = sim, reply
        self.backend = t.backend(sim.dir)
        self.seen = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The simulator's own certificate, so that what the backend file pins is right.
        context.load_cert_chain(os.path.join(sim.dir, "cert.pem"), os.path.join(sim.dir, "key.pem"))
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.front = self
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def forward(self, method, path, body):
        login = base64.b64encode(("%s:%s" % (self.backend["username"], self.backend["password"])).encode()).decode()
        url = "https://%s:%d%s" % (self.backend["managementLIF"], self.backend["ontapfs"]["restPort"], path)
        request = urllib.request.Request(url, method=method, data=body or None,
                                         headers={"Authorization": "Basic " + login, "Accept": "application/json",
                                                  "Content-Type": "application/json"})
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def config(self, name, **change):
        """Path of a backend file that leads here; None takes a key away."""
        config = json.loads(json.dumps(self.backend))
        config["managementLIF"] = "127.0.0.1"
        config["ontapfs"]["restPort"] = self.server.server_address[1]
        config.update(change)
        path = os.path.join(t.WORK, name + ".json")
        with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            json.dump({k: v for k, v in config.items() if v is not None}, f)
        return path
