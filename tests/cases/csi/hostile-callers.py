#!/usr/bin/python3
"""What wild callers send, and users put in the way, ends with a code each time: nothing is made, mounted or lost by it, and honest
calls go on. A driver that is killed in the midst of a call is asked again, and did it once."""
# needs: own-mount
# log-ok: killed by signal 9
# time-limit: 180
import concurrent.futures
import os
import signal
import socket
import threading
import csi_test as c
import ontapfs_test as t

MIB = 1 << 20
POLICY = {"team-a": {"paths": ["project1"], "verbs": ["read", "write", "create", "clone", "snapshot"]}}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
UUID = "11111111-2222-3333-4444-555555555555"


def raw(d, data):
    """Sends bytes to the socket; what comes back until the driver hangs up or has no more to say."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(20)
        s.connect(d.sock)
        got = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while True:
                x = s.recv(65536)
                if not x:
                    return got
                got += x
        except (BrokenPipeError, ConnectionResetError):
            return got


def code(fn, *args, **kw):
    try:
        fn(*args, **kw)
    except c.Refused as e:
        return e.code
    return "OK"


def names(sim):
    return sorted(t.rest_volumes(sim.dir))


with c.driver(POLICY, skipRecoveryQueue=True) as (sim, gw, d):
    alive = lambda: t.ok(d.child.poll() is None and d.csi("Identity", "GetPluginInfo").name == c.NAME, "the driver serves on")
    before = names(sim)

    # Bytes that are no call.
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", PREFACE, PREFACE + b"\xff" * 4096, PREFACE[:10], b"\x00" * 100000):
        raw(d, data)
    alive()
    # Sixty idle connections, of which each could send: an honest call comes through after them.
    idle = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(60)]
    for s in idle:
        s.connect(d.sock)
    alive()
    for s in idle:
        s.close()

    # Messages.
    big = "x" * (5 * MIB)
    t.eq(code(d.create, big), "RESOURCE_EXHAUSTED", "five MiB of name")
    t.eq(code(d.create, "x" * 4000), "INVALID_ARGUMENT", "4,000 bytes of name")
    t.eq(code(d.create, "x", 0, None, {"k%d" % i: "v" for i in range(5000)}), "INVALID_ARGUMENT", "5,000 parameters")
    t.eq(code(d.create, "x", 0, None, {"unixPermissions": "0777; reboot"}), "INVALID_ARGUMENT", "no octal number")
    t.eq(code(d.create, "x", -5), "INVALID_ARGUMENT", "a negative size")
    with c.GRPC.insecure_channel("unix://" + d.sock, options=[("grpc.max_receive_message_length", -1)]) as channel:
        call = channel.unary_unary("/csi.v1.Controller/CreateVolume")
        for body in (b"\xff" * 64, b"\x0a\xff\xff\xff\xff\x0f", b"\x1a\x00" * 100000, b"\x0a\x02\xc3\x28"):
            try:
                call(body, timeout=20)
                t.fail("a message that is none was taken: %r" % body[:8])
            except c.GRPC.RpcError as e:
                t.ok(e.code().name in ("INTERNAL", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), "%s of %r" % (e.code(), body[:8]))
    alive()

    # Ids that nobody gave out. A call that deletes says OK: it is not there.
    odd = ["v1:", "v1:" + UUID, "v1:" + UUID + ":", "v1:%s:%s:zz" % (UUID, UUID), "v2:" + UUID, "../../etc", "path:", "%s%n", "\u202e",
           "v1:" + UUID.upper() + "x" * 60, "path:../../etc", "path:/etc/passwd", "path:.ontap/config", "'; drop"]
    one = d.target("pod-1")
    for v in odd:
        t.ok(code(d.publish, v, one, path="project1") in ("NOT_FOUND", "INVALID_ARGUMENT"), "publish %r" % v)
        t.ok(code(d.delete, v) in ("OK", "FAILED_PRECONDITION"), "delete %r" % v)
        t.ok(code(d.csi, "Controller", "DeleteSnapshot", snapshot_id=v) == "OK", "delete snapshot %r" % v)
        t.ok(code(d.csi, "Controller", "ControllerExpandVolume", volume_id=v, capacity_range={"required_bytes": MIB})
             in ("NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION"), "expand %r" % v)
        t.ok(code(d.csi, "Controller", "CreateSnapshot", source_volume_id=v, name="s") in ("NOT_FOUND", "INVALID_ARGUMENT"),
             "snapshot of %r" % v)
        t.ok(code(d.csi, "Node", "NodeGetVolumeStats", volume_id=v, volume_path=one) == "NOT_FOUND", "stats of %r" % v)
    t.eq(names(sim), before, "no volume was made or lost")

    # Paths in the tree that users had a hand in.
    root = gw.mnt + "/project1"
    os.makedirs(root + "/dir/deep")
    t.write(root + "/file", "x")
    for name, to in (("up", ".."), ("abs", "/"), ("self", "self"), ("proc", "/proc/self/root"), ("peer", "../trident_pvc"),
                     ("inside", "dir")):
        os.symlink(to, root + "/" + name)
    for path, want in (("project1/up", "INVALID_ARGUMENT"), ("project1/abs/etc", "INVALID_ARGUMENT"),
                       ("project1/self", "INVALID_ARGUMENT"), ("project1/proc", "INVALID_ARGUMENT"),
                       ("project1/peer", "INVALID_ARGUMENT"), ("project1/inside/deep", "INVALID_ARGUMENT"),
                       ("project1/file", "INVALID_ARGUMENT"), ("project1/dir/../..", "INVALID_ARGUMENT"),
                       ("project1/./dir", "INVALID_ARGUMENT"), ("project1/" + "a" * 300, "INVALID_ARGUMENT"),
                       ("project1" + "/d" * 3000, "INVALID_ARGUMENT"), ("project1/.snapshots/none", "NOT_FOUND")):
        t.eq(code(d.publish_inline, path, one), want, path[:60])
    # A directory that becomes a link and back while it is published is either published or refused: never what it points to.
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(root + "/dir", root + "/dir.away")
            os.symlink("../trident_pvc", root + "/dir")
            os.unlink(root + "/dir")
            os.rename(root + "/dir.away", root + "/dir")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(40):
            try:
                d.publish_inline("project1/dir", one)
                got = "OK"
            except c.Refused as e:
                got = str(e)
                t.ok(e.code in ("INVALID_ARGUMENT", "NOT_FOUND", "ABORTED"), "while it is swapped: " + got)
                t.ok(not any(" %s " % one in m for m in t.read("/proc/self/mountinfo").decode().splitlines()),
                     "what is refused is not mounted: " + got)
            if got == "OK":
                t.ok(os.path.isdir(one + "/deep"), "the directory itself is published")
                d.unpublish("csi-0123456789abcdef", one)
    finally:
        stop.set()
        swapper.join()

    # Targets: outside of kubelet's directory, through a link in it, on a file, of another kind.
    os.makedirs(d.kubelet + "/pods/pod-2")
    os.symlink("/", d.kubelet + "/pods/pod-2/volumes")
    victim = t.WORK + "/victim"
    os.mkdir(victim)
    os.symlink(victim, d.kubelet + "/pods/link")
    t.write(d.kubelet + "/pods/file", "precious")
    for target in (victim, d.kubelet + "/../victim", d.kubelet + "/pods/pod-2/volumes" + victim, d.kubelet + "/pods/link",
                   d.kubelet + "/pods/link/x", d.kubelet + "/pods/file", d.kubelet + "/pods/file/x", d.kubelet + "/" + "d/" * 3000,
                   d.kubelet + "/none/mount", "/proc/self/root" + victim, d.kubelet + "//pods/x", ""):
        for fn in (d.publish_inline, lambda _, x: d.unpublish("csi-0123456789abcdef", x)):
            got = code(fn, "project1", target)
            t.ok(got in ("INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL") or fn is not d.publish_inline and got == "OK", "%s: %s" % (target[-60:], got))
    t.eq((os.listdir(victim), t.read(d.kubelet + "/pods/file")), ([], b"precious"), "what was in the way is as it was")
    t.ok(os.path.islink(d.kubelet + "/pods/link"), "and links are")
    t.ok(not any(" %s" % victim in m for m in t.read("/proc/self/mountinfo").decode().splitlines()), "nothing is mounted there")

    # Many calls for one object: each is done or told to come again; there is one object, and one mount.
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        jobs = [pool.submit(code, d.create, "pvc-same", 30 * MIB) for _ in range(24)]
        t.ok({j.result() for j in jobs} <= {"OK", "ABORTED"}, "creating at once: %s" % {j.result() for j in jobs})
        made = d.create("pvc-same", 30 * MIB)
        t.eq(names(sim), sorted([*before, "pvc_same"]), "one volume")
        jobs = [pool.submit(code, d.publish, made.volume_id, one, **made.volume_context) for _ in range(24)]
        t.ok({j.result() for j in jobs} <= {"OK", "ABORTED"}, "publishing at once")
        d.publish(made.volume_id, one, **made.volume_context)
        t.eq(sum(" %s " % one in m for m in t.read("/proc/self/mountinfo").decode().splitlines()), 1, "one mount")
        jobs = [pool.submit(code, d.unpublish, made.volume_id, one) for _ in range(24)]
        t.ok({j.result() for j in jobs} <= {"OK", "ABORTED"}, "unpublishing at once")
        d.unpublish(made.volume_id, one)
        jobs = [pool.submit(code, d.delete, made.volume_id) for _ in range(24)]
        t.ok({j.result() for j in jobs} <= {"OK", "ABORTED"}, "deleting at once")
        d.delete(made.volume_id)
    t.eq(names(sim), before, "none is left")

    # Killed in the midst: ONTAP has the request, and nobody hears of its end. Who called asks the next driver.
    def running():
        return t.rest("GET", "/cluster/jobs?state=running", sim=sim.dir)[1]["num_records"]

    for release_first in (True, False):
        t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "stuck", "1")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            job = pool.submit(code, d.create, "pvc-kill", 30 * MIB)
            t.wait_for(lambda: running() == 1, "the volume is being made", 30)
            d.end(signal.SIGKILL)
            t.ok(job.result() in ("UNAVAILABLE", "CANCELLED"), "the caller is told: " + job.result())
        if release_first:
            t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "release")
        d.up()
        if not release_first:  # it is being made still: the next call does not make another
            t.ok(code(d.create, "pvc-kill", 30 * MIB) in ("OK", "ABORTED", "ALREADY_EXISTS", "DEADLINE_EXCEEDED"), "while it is being made")
            t.run(t.ONTAPSIM, "ctl", sim.dir, "job", "release")
        t.wait_for(lambda: running() == 0, "the job ends", 30)
        first = d.create("pvc-kill", 30 * MIB).volume_id
        t.eq(d.create("pvc-kill", 30 * MIB).volume_id, first, "the same volume")
        t.eq(names(sim), sorted([*before, "pvc_kill"]), "made once")
        d.delete(first)
    t.eq(names(sim), before, "nothing is left")
    alive()
