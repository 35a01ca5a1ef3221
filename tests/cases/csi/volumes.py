#!/usr/bin/python3
"""Volumes, clones and snapshots by the driver: what each is on ONTAP and in the tree, and what is refused, with the code."""
# needs: own-mount
# time-limit: 120
import errno
import json
import os
import stat
import csi_test as c
import ontapfs_test as t

MIB = 1 << 20
POLICY = {"team-a": {"paths": ["project1", "exp-*"], "verbs": ["read", "write", "create", "clone", "snapshot"]},
          "readers": {"paths": ["project1/public"], "verbs": ["read"]}}


def snapshot(d, volume_id, name):
    return d.csi("Controller", "CreateSnapshot", source_volume_id=volume_id, name=name).snapshot


def make_file(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def as_user(path, text):
    t.run_as(1000, 1000, make_file, path, text)


with c.driver(POLICY, skipRecoveryQueue=True) as (sim, gw, d):
    # A fresh volume: uid 1000 writes, though nobody chowned anything.
    work = d.create("pvc-11111111-2222-3333-4444-555555555555", 100 * MIB, c.SHARED)
    t.eq(work.volume_context["path"], "pvc_11111111_2222_3333_4444_555555555555", "the name on ONTAP")
    t.eq(work.capacity_bytes, 100 * MIB, "capacity")
    one = d.target("pod-1")
    d.publish(work.volume_id, one, c.SHARED, **work.volume_context)
    as_user(one + "/f", "first")
    t.eq(stat.S_IMODE(os.stat(one).st_mode), 0o777, "mode of a new volume")
    flags = [m for m in t.read("/proc/self/mountinfo").decode().splitlines() if " %s " % one in m][0].split()[5]
    t.ok({"rw", "nosuid", "nodev"} <= set(flags.split(",")), flags)
    used = {u.unit: u for u in d.csi("Node", "NodeGetVolumeStats", volume_id=work.volume_id, volume_path=one).usage}
    t.ok(90 * MIB < used[1].total <= 100 * MIB and used[2].total > 0, "stats: %s" % used)

    # Read-only-many of a snapshot is the snapshot; read-write is a FlexClone.
    snap = snapshot(d, work.volume_id, "snapshot-1")
    as_user(one + "/f", "second")
    view = d.create("view-1", 0, c.READERS, snapshot=snap.snapshot_id)
    t.eq(view.volume_context["path"], work.volume_context["path"] + "/.snapshots/snapshot-1", "no clone")
    t.ok(d.create("view-2", 0, c.READERS, snapshot=snap.snapshot_id).volume_id != view.volume_id, "an id of its own")
    t.eq(d.create("view-1", 0, c.READERS, snapshot=snap.snapshot_id).volume_id, view.volume_id, "again")
    clone = d.create("clone-1", 0, c.WRITER, snapshot=snap.snapshot_id)
    on_ontap = t.rest_volume("clone_1", sim.dir)
    t.eq((on_ontap["clone"]["is_flexclone"], on_ontap["clone"]["parent_snapshot"]["name"]), (True, "snapshot-1"), "the clone")
    t.ok("view" not in str(list(t.rest_volumes(sim.dir))), "views are no volumes")
    for v, mode in ((view, c.READERS), (clone, c.WRITER)):
        target = d.target("pod-2", v.volume_context["path"].split("/")[0])
        d.publish(v.volume_id, target, mode, **v.volume_context)
        t.eq(t.read(target + "/f"), b"first", "bytes")
        t.eq(t.errno_of(t.write, target + "/new", "x"), errno.EROFS if v is view else 0, "writing")
        d.unpublish(v.volume_id, target)
    now = d.create("clone-2", 200 * MIB, c.WRITER, volume=work.volume_id)
    t.ok(now.capacity_bytes >= 200 * MIB, "a clone that is larger")

    # Nothing goes while something else stands on it.
    c.refused("FAILED_PRECONDITION", d.csi, "Controller", "DeleteSnapshot", snapshot_id=snap.snapshot_id)
    c.refused("FAILED_PRECONDITION", d.delete, work.volume_id)
    c.refused("FAILED_PRECONDITION", d.delete, "v1:" + t.volume_uuid("project1", sim.dir))
    c.refused("FAILED_PRECONDITION", d.delete, "path:project1")
    d.delete(view.volume_id)
    c.refused("FAILED_PRECONDITION", d.csi, "Controller", "DeleteSnapshot", snapshot_id=snap.snapshot_id)
    d.delete(c.PB.Volume.FromString(view.SerializeToString()).volume_id)  # again
    other = d.create("view-2", 0, c.READERS, snapshot=snap.snapshot_id)
    d.delete(other.volume_id)
    # The clone outlives its source: it is split off.
    d.csi("Controller", "DeleteSnapshot", snapshot_id=snap.snapshot_id)
    t.ok(not t.rest_volume("clone_1", sim.dir)["clone"].get("is_flexclone"), "the clone was split")

    # Sizes.
    text = c.refused("OUT_OF_RANGE", d.create, "group", 100 * MIB, c.WRITER, {"style": "flexgroup"})
    t.ok("Minimum size is" in text, text)
    t.eq(t.rest_volume("group", sim.dir), None, "nothing is left of it")
    grown = d.csi("Controller", "ControllerExpandVolume", volume_id=work.volume_id,
                  capacity_range={"required_bytes": 300 * MIB})
    t.eq((grown.capacity_bytes, grown.node_expansion_required), (300 * MIB, False), "expansion")
    c.refused("ALREADY_EXISTS", d.create, "clone-2", 0, c.WRITER)
    c.refused("ALREADY_EXISTS", d.create, "clone-2", 900 * MIB, c.WRITER, volume=work.volume_id)
    c.refused("INVALID_ARGUMENT", d.create, "x", 0, c.WRITER, {"stile": "flexvol"})
    c.refused("INVALID_ARGUMENT", d.create, "x", 0, {"block": {}, "access_mode": {"mode": "SINGLE_NODE_WRITER"}})
    c.refused("PERMISSION_DENIED", d.create, "x", 0, c.WRITER, {"csi.storage.k8s.io/pvc/namespace": "readers"})

    # Places: inline by policy, never out of the tree, never through a user's link.
    os.makedirs(gw.mnt + "/project1/public/deep")
    os.symlink("../trident_pvc", gw.mnt + "/project1/public/link")
    os.symlink("/etc", gw.mnt + "/project1/public/etc")
    os.mkdir(gw.mnt + "/project1/.snapshots/s1")
    os.symlink("project1/.snapshots/s1", gw.mnt + "/exp_1")
    two = d.target("pod-3")
    for path in ("../etc", "/etc", "project1/../../etc", ".ontap", "", "project1//x", "project1/public/link",
                 "project1/public/etc/ssl", "project1/.."):
        c.refused("INVALID_ARGUMENT", d.publish_inline, path, two)
    c.refused("NOT_FOUND", d.publish_inline, "project1/none", two)
    c.refused("PERMISSION_DENIED", d.publish_inline, "trident_pvc", two)
    c.refused("PERMISSION_DENIED", d.publish_inline, "project1", two, namespace="readers")
    c.refused("PERMISSION_DENIED", d.publish_inline, "project1", two, namespace="strangers")
    t.ok(not os.path.lexists(two), "what is refused leaves no target")
    for path, shown in (("project1@s1", b"project1/.snapshots/s1"), ("exp_1/public", b"project1/.clones/exp_1/public")):
        d.publish_inline(path, two)
        t.ok(b" /" + shown + b" " in t.read("/proc/self/mountinfo"), "%s is %s" % (path, shown))
        d.unpublish("csi-0123456789abcdef", two)
    d.publish_inline("project1/public", two, namespace="readers")
    t.eq(t.errno_of(os.mkdir, two + "/new"), errno.EROFS, "readers only read")
    d.unpublish("csi-0123456789abcdef", two)

    # Targets lie where kubelet has them.
    for target in ("/etc", d.kubelet + "/../x", d.kubelet, "relative"):
        c.refused("INVALID_ARGUMENT", d.publish, work.volume_id, target, **work.volume_context)
    # A name that another object has by now is not the volume.
    c.refused("NOT_FOUND", d.publish, work.volume_id, two, path="project1")
    # One pod at a time.
    single = {"mount": {}, "access_mode": {"mode": "SINGLE_NODE_SINGLE_WRITER"}}
    d.unpublish(work.volume_id, one)
    d.publish(work.volume_id, one, single, **work.volume_context)
    c.refused("FAILED_PRECONDITION", d.publish, work.volume_id, two, single, **work.volume_context)
    d.unpublish(work.volume_id, one)

    # A policy that cannot be read allows nothing.
    t.write(t.WORK + "/policy.json", "{")
    c.refused("INTERNAL", d.publish_inline, "project1/public", two)
    t.write(t.WORK + "/policy.json", json.dumps({"namespaces": POLICY}))

    # Without ONTAP calls are told so, and the driver goes on.
    with sim.silent("rest"):
        c.refused("DEADLINE_EXCEEDED", d.call, "/csi.v1.Controller/ListVolumes", c.PB.ListVolumesRequest(),
                  c.PB.ListVolumesResponse, timeout=1)
    t.eq(len(d.csi("Controller", "ListVolumes").entries), 3, "volumes of the driver")
    for v in (clone, now, work):
        d.delete(v.volume_id)
        d.delete(v.volume_id)
    t.eq(len(d.csi("Controller", "ListVolumes").entries), 0, "all gone")
