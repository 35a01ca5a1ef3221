"""A gate between a gateway and the simulator's NFS server: it can hold one call,
or its answer, so that a case decides what happens meanwhile."""
import contextlib
import json
import os
import socket
import struct
import threading
import ontapfs_test as t

# RFC 1813
PROC = {"LOOKUP": 3, "WRITE": 7, "CREATE": 8, "REMOVE": 12, "COMMIT": 21}
NFS_PROGRAM = 100003


class Gate:
    """Mount with .backend in place of the simulator's, and calls go through here."""

    def __init__(self, sim):
        b = t.backend(sim.dir)
        lifs = t.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address", sim=sim.dir)[1]["records"]
        self.server = (lifs[0]["ip"]["address"], b["ontapfs"]["nfsPort"])
        self.listener = socket.create_server((self.server[0], 0))
        b["ontapfs"]["nfsPort"] = self.listener.getsockname()[1]
        self.backend = os.path.join(t.WORK, "gate.json")
        fd = os.open(self.backend, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "w", encoding="utf-8") as f:
            json.dump(b, f)
        self.lock = threading.Lock()
        self.want = None  # (procedure, is it the answer that is held)
        self.held, self.decided, self.drops = threading.Event(), threading.Event(), False
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, proc, answer=False):
        """The next call of this name waits here; with answer=True it goes to the server, and the answer waits."""
        self.held.clear()
        self.decided.clear()
        with self.lock:
            self.want = (PROC[proc], answer)

    def wait_held(self):
        """Until something is held; an answer that is held means that the server did it."""
        t.ok(self.held.wait(20), "the awaited call came to the gate")

    def release(self):
        """What is held goes on."""
        self.drops = False
        self.decided.set()

    def drop(self):
        """What is held is lost, with its connection."""
        self.drops = True
        self.decided.set()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            waits = set()  # xids whose answers are held
            for fn, src, dst in ((self._call, client, server), (self._answer, server, client)):
                threading.Thread(target=self._relay, args=(fn, src, dst, waits), daemon=True).start()

    @staticmethod
    def _relay(fn, src, dst, waits):
        with contextlib.suppress(OSError), src.makefile("rb") as f:
            # RFC 5531 section 11: records of a length and that many bytes; one fragment each here.
            while len(head := f.read(4)) == 4:
                body = f.read(struct.unpack(">I", head)[0] & 0x7fffffff)
                if not fn(body, waits):
                    break
                dst.sendall(head + body)
        for s in (src, dst):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def _stop(self):
        self.held.set()
        self.decided.wait()
        return not self.drops

    def _call(self, body, waits):
        xid, _, _, program, _, proc = struct.unpack(">6I", body[:24])
        with self.lock:
            if program != NFS_PROGRAM or not self.want or self.want[0] != proc:
                return True
            answer, self.want = self.want[1], None
        if answer:
            waits.add(xid)
            return True
        return self._stop()

    def _answer(self, body, waits):
        return struct.unpack(">I", body[:4])[0] not in waits or self._stop()
