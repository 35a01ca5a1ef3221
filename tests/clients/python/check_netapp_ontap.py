"""netapp-ontap, the official library, against the simulator: every operation on every
resource of the contract, by the library's own objects, paging, polling and errors."""
import os
import subprocess

from netapp_ontap import HostConnection, config
from netapp_ontap.error import NetAppRestError
from netapp_ontap.resources import (CLI, Aggregate, CifsShare, Cluster, ExportPolicy, ExportRule, Flexcache, IpInterface,
                                    Job, NfsService, Node, Qtree, QuotaRule, Snapshot, SnapmirrorPolicy,
                                    SnapmirrorRelationship, SnapmirrorTransfer, SnapshotPolicy, Svm, Volume)

import harness
from harness import op, raises

backend, accounts = harness.backend(), harness.accounts()
PORT = backend["ontapfs"]["restPort"]
SVM = {"name": backend["svm"]}


def connect(account):
    return HostConnection("127.0.0.1", port=PORT, username=account, password=accounts[account]["password"],
                          poll_interval=1)


config.CONNECTION = connect("admin")


def folder(volume):
    """The volume's root folder behind the server."""
    return subprocess.check_output([os.environ["BUILD"] + "/ontapsim", "path", harness.SIM, volume],
                                   text=True).strip()


def write(volume, name, text):
    with open(os.path.join(folder(volume), name), "w", encoding="ascii") as f:
        f.write(text)


def read(volume, name):
    with open(os.path.join(folder(volume), name), encoding="ascii") as f:
        return f.read()


def make_volume(name, **more):
    volume = Volume(name=name, svm=SVM, aggregates=[{"name": "aggr1"}], size=100 << 20, **more)
    volume.post(poll=True)
    return volume


# ---- what a cluster says of itself ---------------------------------------------------------------


@op("cluster: get")
def _():
    cluster = Cluster()
    cluster.get()
    assert cluster.version.full.startswith("NetApp Release 9."), cluster.version.full
    assert (cluster.version.generation, cluster.version.major) >= (9, 10)


@op("nodes, aggregates: collection, get")
def _():
    nodes = list(Node.get_collection())
    assert len(nodes) == 2
    aggregates = list(Aggregate.get_collection(fields="space"))
    assert {a.name for a in aggregates} == {"aggr1", "aggr2"}
    aggregate = Aggregate(uuid=aggregates[0].uuid)
    aggregate.get(fields="space,state")
    assert aggregate.space.block_storage.size > 0


@op("svm: find, get")
def _():
    svm = Svm.find(name=SVM["name"])
    svm.get()
    assert svm.state == "running" and svm.aggregates[0].name
    assert Svm.find(name="nobody") is None


@op("ip interfaces: data LIFs by service, down and up")
def _():
    lifs = list(IpInterface.get_collection(services="data_nfs", fields="ip.address,state"))
    assert lifs and lifs[0].ip.address.startswith("127.") and lifs[0].state == "up"
    lif = IpInterface(uuid=lifs[0].uuid)
    lif.enabled = False
    lif.patch()
    lif.get()
    assert lif.state == "down"
    lif.enabled = True
    lif.patch()
    lif.get()
    assert lif.state == "up"


@op("nfs service: get, patch")
def _():
    service = next(NfsService.get_collection())
    service.get()
    assert service.protocol.v3_enabled
    service.protocol.v3_features.mount_root_only = False
    service.patch()
    again = NfsService(**{"svm.uuid": service.svm.uuid})
    again.get()
    assert again.protocol.v3_features.mount_root_only is False


# ---- volumes -------------------------------------------------------------------------------------


@op("volume: create, by Location and poll")
def _():
    volume = make_volume("lib_vol", nas={"path": "/lib_vol", "unix_permissions": 775, "uid": 1000},
                         comment="by the library")
    assert volume.uuid and volume.comment == "by the library", volume
    volume.get(fields="nas,space,files,create_time")
    assert volume.nas.path == "/lib_vol" and volume.nas.unix_permissions == 775 and volume.nas.uid == 1000
    assert volume.create_time.tzinfo is not None


@op("volume: create with a job to poll by hand")
def _():
    response = Volume(name="lib_vol2", svm=SVM, style="flexgroup").post(poll=False)
    job = Job(uuid=response.http_response.json()["job"]["uuid"])
    for _unused in range(100):
        job.get()
        if job.state not in ("queued", "running", "paused"):
            break
    assert job.state == "success" and job.code == 0, job
    assert job.description.startswith("POST /api/storage/volumes"), job.description
    volume = Volume.find(name="lib_vol2")
    volume.get(fields="constituents,style")
    assert volume.style == "flexgroup" and volume.constituents[0].name == "lib_vol2__0001"


@op("volume: wrong creates are refused with ONTAP's codes")
def _():
    raises(2621707, Volume(name="x", aggregates=[{"name": "aggr1"}]).post)
    raises(787140, Volume(name="x", svm=SVM).post)
    raises(917888, Volume(name="a b", svm=SVM, aggregates=[{"name": "aggr1"}]).post)
    raises(917508, Volume(name="x", svm=SVM, aggregates=[{"name": "nowhere"}]).post)
    raises(917551, Volume(name="x", svm=SVM, aggregates=[{"name": "aggr1"}], snapshot_policy={"name": "no"}).post)
    try:
        make_volume("lib_vol")
    except NetAppRestError as e:
        assert "already exists" in str(e), e
    else:
        raise AssertionError("a second volume of one name")


@op("volume: collection with fields, filters, order")
def _():
    names = [v.name for v in Volume.get_collection(order_by="name desc")]
    assert names == sorted(names, reverse=True) and "lib_vol" in names
    assert {v.name for v in Volume.get_collection(name="lib_*")} == {"lib_vol", "lib_vol2"}
    assert [v.name for v in Volume.get_collection(name="lib_*", style="flexgroup")] == ["lib_vol2"]
    assert [v.name for v in Volume.get_collection(name="lib_vol|project1", order_by="name")] == ["lib_vol", "project1"]
    big = list(Volume.get_collection(size=">1GB", fields="size"))
    assert big and all(v.size > 1 << 30 for v in big)
    assert all(v.nas.path for v in Volume.get_collection(**{"nas.path": "!null"}))
    raises(262197, lambda: list(Volume.get_collection(fields="no_such_field")))


@op("volume: paging, count, fast_get")
def _():
    every = [v.name for v in Volume.get_collection(order_by="name")]
    paged = [v.name for v in Volume.get_collection(order_by="name", max_records=2)]
    assert paged == every and len(every) > 4, (paged, every)
    assert Volume.count_collection(name="lib_*") == 2
    assert sorted(v.name for v in Volume.fast_get_collection(fields="name", max_records=3)) == sorted(every)


@op("volume: patch size, comment, name; mount and unmount")
def _():
    volume = Volume.find(name="lib_vol")
    volume.size = 200 << 20
    volume.comment = "larger"
    volume.patch(poll=True)
    volume.get()
    assert volume.size == 200 << 20 and volume.comment == "larger"
    for path in ("", "/lib_there"):
        changed = Volume(uuid=volume.uuid)
        changed.nas = {"path": path}
        changed.patch(poll=True)
        volume.get(fields="nas.path")
        assert volume.nas.path == path if path else not hasattr(Volume.find(name="lib_vol", fields="nas.path"), "nas")
    changed = Volume(uuid=volume.uuid)
    changed.name = "lib_renamed"
    changed.patch(poll=True)
    assert Volume.find(name="lib_renamed").uuid == volume.uuid
    changed = Volume(uuid=volume.uuid)
    changed.name = "lib_vol"
    changed.patch(poll=True)


@op("volume: patch_collection, delete_collection by query")
def _():
    make_volume("lib_bulk1")
    make_volume("lib_bulk2")
    Volume.patch_collection({"comment": "bulk"}, name="lib_bulk*", poll=True)
    assert {v.comment for v in Volume.get_collection(name="lib_bulk*", fields="comment")} == {"bulk"}
    Volume.delete_collection(name="lib_bulk*", poll=True)
    assert Volume.count_collection(name="lib_bulk*") == 0


@op("volume: errors of get, patch, delete")
def _():
    nobody = "00000000-0000-0000-0000-000000000000"
    raises(4, Volume(uuid=nobody).get)
    raises(4, Volume(uuid=nobody).delete)
    small = Volume(uuid=Volume.find(name="lib_vol").uuid)
    small.size = 1000
    try:
        small.patch(poll=True)
    except NetAppRestError as e:
        assert "Minimum size" in str(e), e
    else:
        raise AssertionError("a volume of 1000 bytes")
    try:
        Volume.find(name="svm1_root").delete(poll=True)
    except NetAppRestError as e:
        assert "root volume" in str(e), e
    else:
        raise AssertionError("the root volume was deleted")


# ---- snapshots and clones ------------------------------------------------------------------------


@op("snapshot: create, find, get, patch")
def _():
    volume = Volume.find(name="lib_vol")
    write("lib_vol", "file", "one")
    snapshot = Snapshot(volume.uuid, name="first", comment="c", snapmirror_label="daily")
    snapshot.post(poll=True)
    snapshot.get()
    assert snapshot.create_time.tzinfo and snapshot.snapmirror_label == "daily" and not hasattr(snapshot, "owners")
    found = Snapshot.find(volume.uuid, name="first")
    found.name = "renamed"
    found.patch(poll=True)
    assert Snapshot.find(volume.uuid, name="first") is None
    found.name = "first"
    found.patch(poll=True)
    assert read("lib_vol@first", "file") == "one"


@op("snapshot: collection in order, delete, errors")
def _():
    volume = Volume.find(name="lib_vol")
    for name in ("b", "a"):
        Snapshot(volume.uuid, name=name).post(poll=True)
    assert [s.name for s in Snapshot.get_collection(volume.uuid)] == ["first", "b", "a"]
    assert Snapshot.count_collection(volume.uuid) == 3
    assert [s.name for s in Snapshot.get_collection("*", name="b")] == ["b"]
    Snapshot.find(volume.uuid, name="b").delete(poll=True)
    Snapshot.delete_collection(volume.uuid, name="a", poll=True)
    assert [s.name for s in Snapshot.get_collection(volume.uuid)] == ["first"]
    raises(1638518, Snapshot(volume.uuid, name="a/b").post)
    raises(4, Snapshot(volume.uuid, uuid="00000000-0000-0000-0000-000000000000").get)
    try:
        Snapshot(volume.uuid, name="first").post(poll=True)
    except NetAppRestError as e:
        assert "already exists" in str(e), e
    else:
        raise AssertionError("two snapshots of one name")


@op("clone: create from a snapshot, owners, busy, split, delete")
def _():
    volume = Volume.find(name="lib_vol")
    clone = Volume(name="lib_clone", svm=SVM, nas={"path": "/lib_clone"},
                   clone={"is_flexclone": True, "parent_volume": {"name": "lib_vol"}, "parent_snapshot": {"name": "first"}})
    clone.post(poll=True)
    clone.get(fields="clone")
    assert clone.clone.parent_snapshot.name == "first" and clone.clone.parent_volume.uuid == volume.uuid
    write("lib_vol", "file", "two")
    assert read("lib_clone", "file") == "one"
    snapshot = Snapshot.find(volume.uuid, name="first")
    assert snapshot.owners == ["volume_clone"]
    try:
        snapshot.delete(poll=True)
    except NetAppRestError as e:
        assert "locked" in str(e), e
    else:
        raise AssertionError("the base of a clone was deleted")
    changed = Volume(uuid=clone.uuid)
    changed.clone = {"split_initiated": True}
    changed.patch(poll=True)
    clone = Volume.find(name="lib_clone", fields="clone")
    assert not clone.clone.is_flexclone, clone
    clone.delete(poll=True)


@op("volume: restore of a snapshot")
def _():
    volume = Volume.find(name="lib_vol")
    assert read("lib_vol", "file") == "two"
    Volume(uuid=volume.uuid).patch(poll=True, **{"restore_to.snapshot.name": "first"})
    assert read("lib_vol", "file") == "one"


# ---- export and snapshot policies ----------------------------------------------------------------


@op("export policy: create with rules, rules, patch, delete")
def _():
    policy = ExportPolicy(name="lib_policy", svm=SVM, rules=[{"clients": [{"match": "10.0.0.0/8"}], "ro_rule": ["sys"],
                                                              "rw_rule": ["sys"], "superuser": ["none"]}])
    policy.post(hydrate=True)
    assert policy.id and len(policy.rules) == 1
    rule = ExportRule(policy.id, clients=[{"match": "192.168.0.1"}], ro_rule=["any"], rw_rule=["never"], superuser=["any"])
    rule.post(hydrate=True)
    assert rule.index == 2, rule
    rule.rw_rule = ["any"]
    rule.patch()
    assert [r.index for r in ExportRule.get_collection(policy.id)] == [1, 2]
    rule.delete()
    volume = Volume(uuid=Volume.find(name="lib_vol").uuid)
    volume.nas = {"export_policy": {"name": "lib_policy"}}
    volume.patch(poll=True)
    raises(1703945, policy.delete)
    volume.nas = {"export_policy": {"name": "default"}}
    volume.patch(poll=True)
    policy.delete()
    assert ExportPolicy.find(name="lib_policy") is None
    raises(1703947, ExportPolicy.find(name="default").delete)


@op("snapshot policy: create, patch, in use, delete, built-in")
def _():
    policy = SnapshotPolicy(name="lib_schedule", svm=SVM, copies=[{"count": 3, "schedule": {"name": "daily"}}])
    policy.post(hydrate=True)
    assert policy.scope == "svm" and policy.svm.name == SVM["name"] and policy.copies[0].count == 3
    policy.comment = "three days"
    policy.enabled = False
    policy.patch()
    policy = SnapshotPolicy.find(name="lib_schedule")
    policy.get()
    assert policy.comment == "three days" and policy.enabled is False
    assert not hasattr(SnapshotPolicy.find(name="default"), "svm")
    volume = Volume(uuid=Volume.find(name="lib_vol").uuid)
    volume.snapshot_policy = {"name": "lib_schedule"}
    volume.patch(poll=True)
    raises(1638415, policy.delete)
    volume.snapshot_policy = {"name": "none"}
    volume.patch(poll=True)
    policy.delete()
    raises(1638431, SnapshotPolicy.find(name="none").delete)
    raises(1638451, SnapshotPolicy(name="x", svm=SVM, copies=[{"count": 2000, "schedule": {"name": "daily"}}]).post)


# ---- FlexCache -----------------------------------------------------------------------------------


@op("flexcache: create, origins, data of the origin, modify, delete")
def _():
    write("lib_vol", "cached", "by the origin")
    cache = Flexcache(name="lib_cache", svm=SVM, path="/lib_cache",
                      origins=[{"svm": SVM, "volume": {"name": "lib_vol"}}])
    cache.post(poll=True)
    cache.get()
    assert cache.origins[0].volume.name == "lib_vol" and cache.origins[0].state == "online" and cache.path == "/lib_cache"
    assert read("lib_cache", "cached") == "by the origin"
    assert Volume.find(name="lib_cache", fields="flexcache_endpoint_type").flexcache_endpoint_type == "cache"
    assert Volume.find(name="lib_vol", fields="flexcache_endpoint_type").flexcache_endpoint_type == "origin"
    os.mkdir(os.path.join(folder("lib_vol"), "warm"))
    cache.prepopulate = {"dir_paths": ["/warm"]}
    cache.patch(poll=True)
    cache.prepopulate = {"dir_paths": ["/cold"]}
    try:
        cache.patch(poll=True)
    except NetAppRestError as e:
        assert "does not exist" in str(e), e
    else:
        raise AssertionError("a folder that is not there was prepopulated")
    raises(9437613, lambda: list(Snapshot.get_collection(cache.uuid)))
    try:
        Flexcache(uuid=cache.uuid).delete(poll=True)
    except NetAppRestError as e:
        assert "mounted" in str(e), e
    else:
        raise AssertionError("a mounted cache was deleted")
    volume = Volume(uuid=cache.uuid)
    volume.nas = {"path": ""}
    volume.patch(poll=True)
    Flexcache(uuid=cache.uuid).delete(poll=True)
    assert Flexcache.find(name="lib_cache") is None and read("lib_vol", "cached") == "by the origin"
    raises(66846767, Flexcache(name="y", svm=SVM, origins=[{"svm": SVM, "volume": {"name": "nobody"}}]).post)


# ---- SnapMirror ----------------------------------------------------------------------------------


def mirror():
    return next(SnapmirrorRelationship.get_collection(**{"destination.path": "svm1:lib_dp"}))


def fresh():
    relation = mirror()
    relation.get()
    return relation


@op("snapmirror: policies, create, uninitialized")
def _():
    assert "MirrorAllSnapshots" in {p.name for p in SnapmirrorPolicy.get_collection()}
    make_volume("lib_dp", type="dp")
    relation = SnapmirrorRelationship(source={"path": "svm1:lib_vol"}, destination={"path": "svm1:lib_dp"},
                                      policy={"name": "MirrorAllSnapshots"})
    relation.post(poll=True)
    relation.get()
    assert relation.state == "uninitialized" and relation.healthy and relation.policy.type == "async"
    raises(6619637, SnapmirrorRelationship(source={"path": "svm1:lib_vol"}, destination={"path": "svm1:lib_dp"}).post)
    raises(13303852, SnapmirrorRelationship(source={"path": "lib_vol"}, destination={"path": "svm1:lib_dp"}).post)


@op("snapmirror: initialize, content and snapshots at the destination")
def _():
    write("lib_vol", "mirrored", "first")
    relation = mirror()
    relation.state = "snapmirrored"
    relation.patch(poll=True)
    relation = fresh()
    assert relation.state == "snapmirrored" and relation.transfer.state == "success", relation
    assert relation.transfer.bytes_transferred > 0 and relation.lag_time and relation.exported_snapshot
    assert read("lib_dp", "mirrored") == "first"
    source, dp = Volume.find(name="lib_vol"), Volume.find(name="lib_dp")
    theirs = {s.name: s for s in Snapshot.get_collection(source.uuid, fields="create_time")}
    ours = {s.name: s for s in Snapshot.get_collection(dp.uuid, fields="create_time")}
    assert set(ours) == set(theirs) and relation.exported_snapshot in ours, (set(ours), set(theirs))
    assert all(ours[n].create_time == theirs[n].create_time and ours[n].uuid != theirs[n].uuid for n in ours)


@op("snapmirror: update by a transfer")
def _():
    write("lib_vol", "mirrored", "second")
    Snapshot(Volume.find(name="lib_vol").uuid, name="between").post(poll=True)
    before = fresh().exported_snapshot
    transfer = SnapmirrorTransfer(mirror().uuid)
    transfer.post(poll=True)
    assert transfer.uuid
    for _unused in range(200):
        transfer.get()
        if transfer.state not in ("queued", "transferring"):
            break
    assert transfer.state == "success", transfer
    relation = fresh()
    assert relation.exported_snapshot != before and relation.last_transfer_type == "update"
    assert read("lib_dp", "mirrored") == "second"
    names = [s.name for s in Snapshot.get_collection(Volume.find(name="lib_dp").uuid)]
    assert "between" in names and before not in names, names
    assert len(list(SnapmirrorTransfer.get_collection(relation.uuid))) == 2


@op("snapmirror: the destination takes no snapshots, the base is locked")
def _():
    try:
        Snapshot(Volume.find(name="lib_dp").uuid, name="own").post(poll=True)
    except NetAppRestError as e:
        assert "read-write" in str(e), e
    else:
        raise AssertionError("a snapshot of a destination")
    base = Snapshot.find(Volume.find(name="lib_vol").uuid, name=fresh().exported_snapshot)
    assert base.owners == ["snapmirror"]
    try:
        base.delete(poll=True)
    except NetAppRestError as e:
        assert "locked" in str(e), e
    else:
        raise AssertionError("the base of a relationship was deleted")


@op("snapmirror: quiesce, resume, break, resync")
def _():
    def go(state):
        relation = mirror()
        relation.state = state
        relation.patch(poll=True)
        return fresh()
    assert go("paused").state == "paused"
    raises(13303844, SnapmirrorTransfer(mirror().uuid).post)
    assert go("snapmirrored").state == "snapmirrored"
    assert go("broken_off").state == "broken_off"
    assert Volume.find(name="lib_dp").type == "rw"
    write("lib_dp", "mirrored", "local change")
    again = go("snapmirrored")
    assert again.state == "snapmirrored" and again.last_transfer_type == "resync"
    assert Volume.find(name="lib_dp").type == "dp" and read("lib_dp", "mirrored") == "second"


@op("snapmirror: volumes of a relationship are not deleted; release, delete")
def _():
    for name, words in (("lib_dp", "You must delete the SnapMirror relationships before"),
                        ("lib_vol", "the source endpoint of one or more SnapMirror relationships")):
        try:
            Volume.find(name=name).delete(poll=True)
        except NetAppRestError as e:
            assert words in str(e), e
        else:
            raise AssertionError("%s was deleted" % name)
    uuid = mirror().uuid
    SnapmirrorRelationship(uuid=uuid).delete(poll=True, destination_only=True)
    assert not list(SnapmirrorRelationship.get_collection())
    assert [r.uuid for r in SnapmirrorRelationship.get_collection(list_destinations_only=True)] == [uuid]
    SnapmirrorRelationship(uuid=uuid).delete(poll=True, source_only=True)
    assert not list(SnapmirrorRelationship.get_collection(list_destinations_only=True))
    names = [s.name for s in Snapshot.get_collection(Volume.find(name="lib_vol").uuid)]
    assert not any(n.startswith("snapmirror.") for n in names), names
    Volume.find(name="lib_dp").delete(poll=True)


# ---- qtrees, quotas, shares, passthrough ---------------------------------------------------------


@op("qtree: create, collection, rename, permissions, default, delete")
def _():
    qtree = Qtree(name="q1", volume={"name": "lib_vol"}, svm=SVM, unix_permissions=750)
    qtree.post(poll=True)
    qtree.get()
    assert qtree.id == 1 and qtree.unix_permissions == 750 and qtree.path == "/lib_there/q1", qtree
    assert os.path.isdir(os.path.join(folder("lib_vol"), "q1"))
    found = list(Qtree.get_collection(**{"volume.name": "lib_vol"}, fields="*"))
    assert [(q.id, q.name) for q in found] == [(0, ""), (1, "q1")]
    qtree.name = "q2"
    qtree.patch(poll=True)
    assert os.path.isdir(os.path.join(folder("lib_vol"), "q2"))
    write("lib_vol", "q2/file", "x")
    raises(5242894, Qtree(id=0, **{"volume.uuid": qtree.volume.uuid}).delete)
    Qtree(id=1, **{"volume.uuid": qtree.volume.uuid}).delete(poll=True)
    assert not os.path.exists(os.path.join(folder("lib_vol"), "q2"))


@op("quota: rule create, patch, delete; switch of the volume")
def _():
    rule = QuotaRule(type="user", svm=SVM, volume={"name": "lib_vol"}, users=[{"name": "joe"}], qtree={"name": ""})
    rule.space = {"hard_limit": 1 << 30}
    rule.post(poll=True)
    rule.get()
    assert rule.space.hard_limit == 1 << 30 and rule.users[0].name == "joe"
    rule.space.hard_limit = 2 << 30
    rule.patch(poll=True)
    assert next(QuotaRule.get_collection(fields="space")).space.hard_limit == 2 << 30
    volume = Volume(uuid=Volume.find(name="lib_vol").uuid)
    volume.quota = {"enabled": True}
    volume.patch(poll=True)
    volume.get(fields="quota")
    assert volume.quota.state == "on"
    rule.delete(poll=True)
    assert QuotaRule.count_collection() == 0


@op("cifs share: create, collection, get, patch, delete")
def _():
    share = CifsShare(name="lib_share", path="/lib_there", svm=SVM, comment="c")
    share.post(hydrate=True)
    assert share.acls[0].user_or_group == "Everyone"
    share.comment = "changed"
    share.patch()
    found = CifsShare.find(name="lib_share")
    assert found.comment == "changed" and found.path == "/lib_there"
    raises(655551, CifsShare(name="LIB_SHARE", path="/lib_there", svm=SVM).post)
    raises(655549, CifsShare(name="z", path="/nowhere", svm=SVM).post)
    found.delete()
    assert CifsShare.find(name="lib_share") is None


@op("private cli: volume modify")
def _():
    CLI().execute("volume modify", vserver="svm1", volume="lib_vol", body={"comment": "by cli"})
    assert Volume.find(name="lib_vol").comment == "by cli"
    try:
        CLI().execute("volume modify", vserver="svm1", volume="lib_vol", body={"vserver_dr_protection": "unprotected"})
    except NetAppRestError as e:
        assert "volume is not part of a Vserver DR configuration" in str(e), e
    else:
        raise AssertionError("svm-dr without svm-dr")


@op("account of the SVM: its own volumes, no nodes; a wrong password")
def _():
    with connect("vsadmin"):
        assert Volume.find(name="lib_vol").uuid and Svm.count_collection() == 1
        raises(6, lambda: list(Node.get_collection()))
    with HostConnection("127.0.0.1", port=PORT, username="admin", password="wrong"):
        try:
            Cluster().get()
        except NetAppRestError as e:
            assert e.status_code == 401, e
        else:
            raise AssertionError("a wrong password")


@op("volume: delete")
def _():
    for name in ("lib_vol", "lib_vol2"):
        Volume.find(name=name).delete(poll=True)
    assert Volume.count_collection(name="lib_*") == 0


harness.main("netapp-ontap", "netapp-ontap")
