"""Helpers of the cases about ontapfs-csi: a driver, and a client of it that speaks
gRPC by another implementation (grpcio) and protobuf by another, too."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import ontapfs_test as t

CSI = os.path.join(t.BUILD, "ontapfs-csi")
NAME = "csi.ontapfs.io"
WRITER = {"mount": {}, "access_mode": {"mode": "SINGLE_NODE_WRITER"}}
SHARED = {"mount": {}, "access_mode": {"mode": "MULTI_NODE_MULTI_WRITER"}}
READERS = {"mount": {}, "access_mode": {"mode": "MULTI_NODE_READER_ONLY"}}


def load():
    """grpc and the messages, made of the driver's own .proto files; skips without them."""
    t.need("protoc")
    try:
        import grpc
        import google.protobuf  # noqa: F401
    except ImportError as e:
        t.skip("%s (Debian packages python3-grpcio, python3-protobuf)" % e)
    out = os.path.join(t.WORK, "pb")
    os.makedirs(out, exist_ok=True)
    source = os.path.join(t.TOP, "mountd", "csi")
    t.run("protoc", "-I", source, "--python_out", out, source + "/csi.proto", source + "/registration.proto")
    sys.path.insert(0, out)
    import csi_pb2
    import registration_pb2
    return grpc, csi_pb2, registration_pb2


GRPC, PB, REG = load()


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__("%s: %s" % (code, text))
        self.code, self.text = code, text


class Driver:
    """ontapfs-csi, controller and node in one process, and calls to it."""

    def __init__(self, backend, tree, *args):
        self.sock = t.WORK + "/csi.sock"
        self.reg = t.WORK + "/kubelet/plugins_registry/%s-reg.sock" % NAME
        self.kubelet = t.WORK + "/kubelet"
        self.log = t.WORK + "/csi.log"
        self.args = [CSI, "--endpoint=unix://" + self.sock, "--node-id=node1", "--kubelet-dir=" + self.kubelet,
                     "--registration=" + self.reg, "--http=127.0.0.1:0"]
        if backend:
            self.args.append("--controller=" + backend)
        if tree:
            self.args.append("--node=" + tree)
        self.args += args
        self.child = None
        os.makedirs(os.path.dirname(self.reg), exist_ok=True)

    def up(self):
        with open(self.log, "ab") as log:
            begin = log.tell()
            self.child = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        t.wait_for(lambda: b" serves the " in t.read(self.log)[begin:] or self.child.poll() is not None,
                   "the driver serves", 30)
        t.ok(self.child.poll() is None, "the driver lives: " + t.tail(self.log))
        return self

    def end(self, sig=signal.SIGTERM):
        self.child.send_signal(sig)
        self.child.wait(30)

    def port(self):
        lines = [x for x in t.read(self.log).decode().splitlines() if "metrics and health: port " in x]
        return int(lines[-1].split("port ")[1].split()[0])

    def call(self, method, request, reply, sock=None, timeout=60):
        with GRPC.insecure_channel("unix://" + (sock or self.sock)) as channel:
            fn = channel.unary_unary(method, request_serializer=lambda m: m.SerializeToString(),
                                     response_deserializer=reply.FromString)
            try:
                return fn(request, timeout=timeout)
            except GRPC.RpcError as e:
                raise Refused(e.code().name, e.details()) from None

    def csi(self, service, name, /, **fields):
        """A call of service Identity, Controller or Node; fields as in its request."""
        request = getattr(PB, name + "Request")()
        from google.protobuf import json_format
        json_format.ParseDict(fields, request)
        return self.call("/csi.v1.%s/%s" % (service, name), request, getattr(PB, name + "Response"))

    def target(self, pod, volume="data"):
        """kubelet's own path, and the directory that kubelet makes for it."""
        path = "%s/pods/%s/volumes/kubernetes.io~csi/%s/mount" % (self.kubelet, pod, volume)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def publish(self, volume_id, target, capability=None, readonly=False, namespace="team-a", **context):
        context["csi.storage.k8s.io/pod.namespace"] = namespace
        return self.csi("Node", "NodePublishVolume", volume_id=volume_id, target_path=target, readonly=readonly,
                        volume_capability=capability or WRITER, volume_context=context)

    def publish_inline(self, path, target, namespace="team-a", **more):
        return self.publish("csi-0123456789abcdef", target, namespace=namespace, path=path,
                            **{"csi.storage.k8s.io/ephemeral": "true"}, **more)

    def unpublish(self, volume_id, target):
        return self.csi("Node", "NodeUnpublishVolume", volume_id=volume_id, target_path=target)

    def create(self, name, size=0, capability=None, parameters=None, snapshot=None, volume=None):
        fields = {"name": name, "volume_capabilities": [capability or WRITER], "parameters": parameters or {}}
        if size:
            fields["capacity_range"] = {"required_bytes": size}
        if snapshot:
            fields["volume_content_source"] = {"snapshot": {"snapshot_id": snapshot}}
        if volume:
            fields["volume_content_source"] = {"volume": {"volume_id": volume}}
        return self.csi("Controller", "CreateVolume", **fields).volume

    def delete(self, volume_id):
        return self.csi("Controller", "DeleteVolume", volume_id=volume_id)


def refused(code, fn, *args, **kw):
    """The call must end with that code; its text."""
    try:
        fn(*args, **kw)
    except Refused as e:
        t.eq(e.code, code, "%s (%s)" % (getattr(fn, "__name__", "call"), e.text))
        return e.text
    return t.fail("not refused: %s expected" % code)


@contextlib.contextmanager
def driver(policy=None, backend=None, **settings):
    """A simulator, a mount, and a driver of both: yields (sim, gateway, driver)."""
    with t.own_sim() as sim:
        conf = t.backend(sim.dir)
        conf.update(settings, **(backend or {}))
        path = t.WORK + "/backend.json"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            json.dump(conf, f)
        with t.Gateway(path, t.WORK + "/tree") as gw:
            args = []
            if policy is not None:
                t.write(t.WORK + "/policy.json", json.dumps({"namespaces": policy}))
                args.append("--policy=" + t.WORK + "/policy.json")
            d = Driver(path, gw.mnt, *args)
            try:
                yield sim, gw, d.up()
            finally:
                if d.child.poll() is None:
                    d.end()
                t.force_unmount(d.kubelet)
