"""The NetApp DataOps Toolkit against the simulator: its functions, its command line and its
dataset manager, whose root folder is a mount of ontapfs."""
import os
import subprocess
import sys

import harness
from harness import op, skip

import ontapfs_test as t

WORK = harness.SIM + ".work"
HOME = os.path.join(WORK, "home")
MNT = os.path.join(WORK, "mnt")
os.makedirs(MNT)
# A home of its own, and passwords in a file of it: the toolkit wants a keyring.
os.makedirs(os.path.join(HOME, ".config"))
os.environ.update(HOME=HOME, XDG_DATA_HOME=HOME + "/data", XDG_CONFIG_HOME=HOME + "/.config",
                  PYTHON_KEYRING_BACKEND="keyrings.alt.file.PlaintextKeyring")

from netapp_dataops import traditional as kit  # noqa: E402  (it reads the environment)
from netapp_dataops.traditional.datasets import Dataset, get_datasets  # noqa: E402
from netapp_dataops.traditional.datasets.exceptions import DatasetError, DatasetExistsError, DatasetVolumeError  # noqa: E402

backend, accounts = harness.backend(), harness.accounts()
ADDRESS = t.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address",
                 sim=harness.SIM)[1]["records"][0]["ip"]["address"]
CLI = os.path.join(os.path.dirname(sys.executable), "netapp_dataops_cli.py")


def cli(*words, fails=False, answers=""):
    """Runs the toolkit's command; its output. Without a terminal it reads passwords from its input."""
    p = subprocess.run([sys.executable, "-W", "ignore", CLI, *words], input=answers, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=120, check=False, start_new_session=True)
    assert (p.returncode != 0) == fails, "%s: exit %d\n%s" % (" ".join(words), p.returncode, p.stdout)
    assert "Traceback" not in p.stdout, p.stdout
    return p.stdout


def refused(error, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except error as e:
        return str(e)
    raise AssertionError("not refused")


def store(volume):
    return t.store(volume, sim=harness.SIM)


def write(volume, name, text):
    with open(os.path.join(store(volume), name), "w", encoding="ascii") as f:
        f.write(text)


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def volumes(**kwargs):
    return {v["Volume Name"]: v for v in kit.list_volumes(**kwargs)}


def snapshots(volume):
    return [s["Snapshot Name"] for s in kit.list_snapshots(volume)]


def uuid_of(volume):
    return t.volume_uuid(volume, sim=harness.SIM)


def purge():
    """Empties the recovery queue, as an admin has to before the parent of a deleted clone can go."""
    for volume in t.rest("GET", "/private/cli/volume/recovery-queue", sim=harness.SIM)[1]["records"]:
        t.rest_job("POST", "/private/cli/volume/recovery-queue/purge",
                   {"vserver": volume["vserver"], "volume": volume["volume"]}, sim=harness.SIM)


# ---- configuration -------------------------------------------------------------------------------


@op("cli: version, help, config")
def _():
    assert kit.__version__ in cli("version")
    assert "create snapshot" in cli("help")
    cli("create", "nonsense", fails=True)
    refused(kit.InvalidConfigError, kit.list_volumes)
    lines = ["127.0.0.1:%d" % backend["ontapfs"]["restPort"], backend["svm"], ADDRESS, backend["username"],
             backend["password"], "yes", harness.SIM + "/cert.pem", "flexvol", "default", "none", "0", "0", "0777",
             "aggr1", "no", "no", "no"]
    cli("config", answers="\n".join(lines) + "\n")
    assert "project1" in volumes()


# ---- volumes -------------------------------------------------------------------------------------


@op("create_volume: flexvol, flexgroup, with everything, data protection; refusals")
def _():
    kit.create_volume("kit_vol", "100MB", unix_permissions="0755", unix_uid="1000", unix_gid="1000")
    kit.create_volume("kit_group", "8GB", volume_type="flexgroup", guarantee_space=True, tiering_policy="none",
                      snapshot_policy="default", junction="/kit_group_here")
    kit.create_volume("kit_dp", "100MB", vol_dp=True)
    all_of_them = volumes(include_space_usage_details=True)
    assert all_of_them["kit_vol"]["Size"] == "100.0MB" and all_of_them["kit_vol"]["Junction Path"] == "/kit_vol"
    assert all_of_them["kit_vol"]["NFS Mount Target"] == ADDRESS + ":/kit_vol", all_of_them["kit_vol"]
    assert all_of_them["kit_group"]["Type"] == "flexgroup"
    assert "Unknown" not in all_of_them["kit_group"].values(), all_of_them["kit_group"]
    assert all_of_them["kit_dp"]["Junction Path"] is None
    st = os.stat(store("kit_vol"))
    assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o755, 1000, 1000)
    assert "already exists" in refused(kit.APIConnectionError, kit.create_volume, "kit_vol", "100MB")
    assert "Minimum size" in refused(kit.APIConnectionError, kit.create_volume, "kit_small", "1MB")
    refused(kit.APIConnectionError, kit.create_volume, "kit_lock", "100MB", snaplock_type="compliance")
    refused(kit.InvalidVolumeParameterError, kit.create_volume, "kit_x", "many")


@op("cli: create volume, list volumes")
def _():
    cli("create", "volume", "--name=cli_vol", "--size=50MB", "-p", "0750", "-u", "0", "-g", "0", "-j", "/cli_vol")
    out = cli("list", "volumes", "--include-space-usage-details")
    assert "cli_vol" in out and "imagenet" in out, out
    assert "already exists" in cli("create", "volume", "-n", "cli_vol", "-s", "50MB", fails=True)


# ---- snapshots -----------------------------------------------------------------------------------


@op("create_snapshot, list_snapshots, delete_snapshot, with retention and label")
def _():
    write("kit_vol", "file", "one")
    kit.create_snapshot("kit_vol", snapshot_name="first", snapmirror_label="daily")
    assert read(os.path.join(t.store("kit_vol", "first", sim=harness.SIM), "file")) == "one"
    kit.create_snapshot("kit_vol")
    assert snapshots("kit_vol")[-1].startswith("netapp_dataops")
    for name in ("keep_a", "keep_b", "keep_c"):
        kit.create_snapshot("kit_vol", snapshot_name=name)
    assert len(snapshots("kit_vol")) == 5
    kit.delete_snapshot("kit_vol", "keep_a")
    assert "keep_a" not in snapshots("kit_vol")
    assert "already exists" in refused(kit.APIConnectionError, kit.create_snapshot, "kit_vol",
                                        snapshot_name="first")
    refused(kit.InvalidSnapshotParameterError, kit.delete_snapshot, "kit_vol", "nobody")
    refused(kit.InvalidVolumeParameterError, kit.create_snapshot, "nobody")


@op("restore_snapshot")
def _():
    write("kit_vol", "file", "two")
    kit.create_snapshot("kit_vol", snapshot_name="second")
    kit.restore_snapshot("kit_vol", "first")
    assert read(os.path.join(store("kit_vol"), "file")) == "one" and snapshots("kit_vol") == ["first"]


@op("cli: create, list, restore, delete snapshot, with retention")
def _():
    for i in range(4):
        cli("create", "snapshot", "--volume=cli_vol", "--name=run%d" % i)
    assert "run3" in cli("list", "snapshots", "--volume=cli_vol")
    write("cli_vol", "later", "x")
    cli("restore", "snapshot", "--volume=cli_vol", "--name=run2", answers="yes\n")
    assert not os.path.exists(os.path.join(store("cli_vol"), "later")) and "run3" not in snapshots("cli_vol")
    cli("delete", "snapshot", "--volume=cli_vol", "--name=run0")
    assert snapshots("cli_vol") == ["run1", "run2"]
    cli("create", "snapshot", "--volume=cli_vol", "--name=keep", "--retention=1")
    assert len([s for s in snapshots("cli_vol") if s.startswith("keep")]) == 1, snapshots("cli_vol")
    cli("delete", "snapshot", "--volume=cli_vol", "--name=nobody", fails=True)


# ---- clones --------------------------------------------------------------------------------------


@op("clone_volume: from now, from a snapshot, newest by prefix, export hosts, refresh, split, unprotect")
def _():
    kit.clone_volume("kit_clone", "kit_vol")
    kit.clone_volume("kit_clone1", "kit_vol", source_snapshot_name="first", unix_uid="2000", unix_gid="2000",
                     junction="/kit_clone1_here", svm_dr_unprotect=True)
    kit.clone_volume("kit_clone2", "kit_vol", source_snapshot_name="fir*", export_hosts="127.0.0.1:10.0.0.0/8")
    seen = volumes()
    assert seen["kit_clone"]["Clone"] == "yes" and seen["kit_clone"]["Source Volume"] == "kit_vol"
    assert seen["kit_clone1"]["Source Snapshot"] == "first" and seen["kit_clone1"]["Junction Path"] == "/kit_clone1_here"
    assert os.stat(store("kit_clone1")).st_uid == 2000 and read(os.path.join(store("kit_clone1"), "file")) == "one"
    policy = t.rest("GET", "/protocols/nfs/export-policies?name=netapp_dataops_kit_clone2&fields=rules", sim=harness.SIM)
    assert len(policy[1]["records"][0]["rules"]) == 2, policy
    refused(kit.InvalidVolumeParameterError, kit.clone_volume, "kit_clone", "kit_vol")
    refused(kit.InvalidSnapshotParameterError, kit.clone_volume, "kit_clone9", "kit_vol", source_snapshot_name="no")
    old = uuid_of("kit_clone")
    kit.clone_volume("kit_clone", "kit_vol", refresh=True, split=True)
    assert uuid_of("kit_clone") != old
    t.wait_for(lambda: volumes()["kit_clone"]["Clone"] == "no", "the split ends")


@op("delete_snapshot: one that a clone needs is refused")
def _():
    refused(kit.InvalidSnapshotParameterError, kit.delete_snapshot, "kit_vol", "first")
    assert "first" in snapshots("kit_vol")


@op("cli: clone volume, delete volume")
def _():
    cli("clone", "volume", "--name=cli_clone", "--source-volume=cli_vol", "--source-snapshot=run2", "--uid=1001", "--gid=1001")
    assert volumes()["cli_clone"]["Source Snapshot"] == "run2"
    cli("delete", "volume", "--name=cli_clone", "--force")
    assert "cli_clone" not in volumes()
    cli("delete", "volume", "--name=cli_vol", "--force", fails=True)
    assert "cli_vol" in volumes()


@op("delete_volume: clones only, unless told; parents of clones are refused")
def _():
    refused(kit.InvalidVolumeParameterError, kit.delete_volume, "kit_vol")
    refused(kit.APIConnectionError, kit.delete_volume, "kit_vol", delete_non_clone=True)
    for name in ("kit_clone1", "kit_clone2"):
        kit.delete_volume(name)
    kit.delete_volume("kit_clone", delete_non_clone=True)
    assert not {"kit_clone", "kit_clone1", "kit_clone2"} & set(volumes())
    refused(kit.InvalidVolumeParameterError, kit.delete_volume, "nobody")


# ---- FlexCache -----------------------------------------------------------------------------------


@op("create_flexcache, list_flexcaches, get_flexcache_origin: the origin's data")
def _():
    kit.create_flexcache("kit_vol", backend["svm"], "kit_cache", flexcache_size="4GB")
    found = kit.list_flexcaches()
    assert [(f["FlexCache Name"], f["Origin Volume"], f["Origin State"]) for f in found] == \
        [("kit_cache", "kit_vol", "online")], found
    assert kit.get_flexcache_origin("kit_cache")[0]["Origin UUID"] == uuid_of("kit_vol")
    assert read(os.path.join(store("kit_cache"), "file")) == "one"
    assert volumes()["kit_cache"]["FlexCache"] == "yes"
    assert "not" in refused(kit.APIConnectionError, kit.create_flexcache, "nobody", backend["svm"], "kit_cache2")


@op("prepopulate_flex_cache, update_flexcache")
def _():
    os.mkdir(os.path.join(store("kit_vol"), "warm"))
    kit.prepopulate_flex_cache("kit_cache", ["/warm"])
    kit.update_flexcache(volume_name="kit_cache", writeback_enabled=True, relative_size_enabled=True,
                         relative_size_percentage=20, atime_scrub_enabled=True, atime_scrub_period=7,
                         cifs_change_notify_enabled=False)
    cache = t.rest("GET", "/storage/flexcache/flexcaches/%s" % uuid_of("kit_cache"), sim=harness.SIM)[1]
    assert cache["writeback"]["enabled"] and cache["relative_size"]["percentage"] == 20 and \
        cache["atime_scrub"]["period"] == 7, cache
    refused(kit.APIConnectionError, kit.update_flexcache, volume_name="kit_cache", prepopulate_paths=["/cold"])
    refused(kit.InvalidVolumeParameterError, kit.update_flexcache, volume_name="nobody", writeback_enabled=True)
    kit.delete_volume("kit_cache", delete_non_clone=True)
    assert kit.list_flexcaches() == [] and "kit_cache" not in volumes()
    assert read(os.path.join(store("kit_vol"), "file")) == "one"


@op("cli: create, list, update, prepopulate flexcache, get flexcache-origin; delete")
def _():
    cli("create", "flexcache", "--name=cli_cache", "--source-volume=cli_vol", "--source-svm=svm1", "--size=4GB")
    assert "cli_cache" in cli("list", "flexcaches")
    assert "cli_vol" in cli("get", "flexcache-origin", "--volume-name=cli_cache")
    os.mkdir(os.path.join(store("cli_vol"), "warm"))
    cli("prepopulate", "flexcache", "--name=cli_cache", "--paths=/warm")
    cli("update", "flexcache", "--name=cli_cache", "-w", "true")
    cli("delete", "volume", "--name=cli_cache", "--force", "--delete-non-clone")


# ---- qtrees --------------------------------------------------------------------------------------


@op("create_qtree, list_qtrees, get_qtree, get_qtree_metrics")
def _():
    # The toolkit turns "0755" into the number 493 before it asks.
    kit.create_qtree("q1", "kit_vol", unix_permissions="0755", security_style="unix", export_policy="default")
    found = {q["name"]: q for q in kit.list_qtrees("kit_vol")}
    assert set(found) == {"", "q1"} and found["q1"]["nas_path"] == "/kit_vol/q1", found
    qtree = kit.get_qtree(uuid_of("kit_vol"), found["q1"]["id"])
    assert qtree["unix_permissions"] == 755 and qtree["export_policy"]["name"] == "default", qtree
    assert os.stat(os.path.join(store("kit_vol"), "q1")).st_mode & 0o777 == 0o755
    assert kit.get_qtree_metrics(uuid_of("kit_vol"), found["q1"]["id"])["records"] == []
    refused(kit.InvalidVolumeParameterError, kit.create_qtree, "q1", "kit_vol")


@op("cli: create, list, get qtree and its metrics")
def _():
    cli("create", "qtree", "--name=q2", "--volume=cli_vol", "--permissions=0750", "--security-style=unix")
    assert "q2" in cli("list", "qtrees", "--volume=cli_vol")
    assert "/cli_vol/q2" in cli("get", "qtree", "--volume-uuid=" + uuid_of("cli_vol"), "--id=1")
    cli("get", "qtree-metrics", "--volume-uuid=" + uuid_of("cli_vol"), "--id=1")


# ---- SnapMirror ----------------------------------------------------------------------------------


@op("create_snap_mirror_relationship, list, sync and wait")
def _():
    # Only with print_output does the toolkit set the policy that it was given.
    kit.create_snap_mirror_relationship(backend["svm"], "kit_vol", "kit_dp", policy="MirrorAllSnapshots",
                                        action="initialize", print_output=True)
    found = kit.list_snap_mirror_relationships()
    assert [(r["Source Volume"], r["Dest Volume"], r["Healthy"], r["Current Transfer Status"]) for r in found] == \
        [("kit_vol", "kit_dp", True, "success")], found
    assert read(os.path.join(store("kit_dp"), "file")) == "one" and "first" in snapshots("kit_dp")
    write("kit_vol", "file", "three")
    kit.create_snapshot("kit_vol", snapshot_name="third")
    kit.sync_snap_mirror_relationship(volume_name="kit_dp", wait_until_complete=True)
    assert read(os.path.join(store("kit_dp"), "file")) == "three" and "third" in snapshots("kit_dp")
    kit.sync_snap_mirror_relationship(uuid=found[0]["UUID"])
    refused(kit.InvalidConfigError, kit.create_snap_mirror_relationship, backend["svm"], "kit_vol", "kit_dp")
    refused(kit.SnapMirrorSyncOperationError, kit.sync_snap_mirror_relationship, volume_name="nobody")
    kit.delete_volume("kit_dp", delete_non_clone=True, delete_mirror=True)
    assert kit.list_snap_mirror_relationships() == [] and "kit_dp" not in volumes()


@op("cli: create, list, sync snapmirror-relationship; delete volume with its mirror")
def _():
    cli("create", "volume", "--name=cli_dp", "--size=50MB", "--dp")
    cli("create", "snapmirror-relationship", "--target-vol=cli_dp", "--source-svm=svm1", "--source-vol=cli_vol",
        "--policy=MirrorLatest", "--schedule=hourly", "--action=initialize")
    assert "cli_dp" in cli("list", "snapmirror-relationships")
    write("cli_vol", "mirrored", "x")
    cli("sync", "snapmirror-relationship", "--name=cli_dp", "--wait")
    assert read(os.path.join(store("cli_dp"), "mirrored")) == "x"
    relation = t.rest("GET", "/snapmirror/relationships?destination.path=svm1:cli_dp&fields=*", sim=harness.SIM)[1]
    assert relation["records"][0]["policy"]["name"] == "MirrorLatest", relation
    assert relation["records"][0]["transfer_schedule"]["name"] == "hourly", relation
    out = cli("delete", "volume", "--name=cli_dp", "--force", "--delete-non-clone", fails=True)
    assert "volume is snapmirror destination" in out, out
    cli("delete", "volume", "--name=cli_dp", "--force", "--delete-non-clone", "--delete-mirror")
    assert "cli_dp" not in volumes()


# ---- shares --------------------------------------------------------------------------------------


@op("create_cifs_share, list_cifs_shares, get_cifs_share")
def _():
    kit.create_cifs_share(svm=backend["svm"], name="kit_share", volume_name="kit_vol", comment="c",
                          acls=[{"user_or_group": "Everyone", "permission": "read"}])
    assert [s.name for s in kit.list_cifs_shares(svm=backend["svm"])] == ["kit_share"]
    share = kit.get_cifs_share(svm=backend["svm"], name="kit_share")
    assert share.path == "/kit_vol" and share.acls[0].permission == "read", share
    refused(kit.InvalidCifsShareParameterError, kit.create_cifs_share, svm=backend["svm"], name="kit_share",
            volume_name="kit_vol")


@op("cli: create, list, get cifs-share")
def _():
    cli("create", "cifs-share", "--svm=svm1", "--name=cli_share", "--volume=cli_vol", "--comment=c")
    assert "cli_share" in cli("list", "cifs-shares", "--svm=svm1")
    assert "/cli_vol" in cli("get", "cifs-share", "--svm=svm1", "--name=cli_share")


# ---- dataset manager on a mount of ontapfs -------------------------------------------------------


@op("dataset: create, files, snapshot, clone, list, delete, on a mount of ontapfs")
def _():
    kit.create_volume("datasets", "100MB", junction="/datasets", unix_permissions="0777")
    path = os.path.join(HOME, ".netapp_dataops/config.json")
    config = t.json.loads(read(path))
    config.update(datasetManagerEnabled=True, datasetManagerRootVolume="datasets",
                  datasetManagerRootMountpoint=os.path.join(MNT, "datasets"))
    with open(path, "w", encoding="utf-8") as f:
        t.json.dump(config, f)
    with t.Gateway(os.path.join(harness.SIM, "backend.json"), MNT):
        a = Dataset("images", max_size="100MB")
        with open(os.path.join(a.local_file_path, "cat"), "w", encoding="ascii") as f:
            f.write("meow")
        assert read(os.path.join(store("images"), "cat")) == "meow"
        assert [(f["filename"], f["size"]) for f in a.get_files()] == [("cat", 4)], a.get_files()
        a.snapshot("before")
        assert [s["name"] for s in a.get_snapshots()] == ["before"]
        b = a.clone("images_mine")
        assert b.is_clone and b.source_dataset_name == "images"
        with open(os.path.join(b.local_file_path, "cat"), "w", encoding="ascii") as f:
            f.write("purr")
        assert read(os.path.join(a.local_file_path, "cat")) == "meow"
        assert {d.name for d in get_datasets()} == {"images", "images_mine"}
        assert Dataset("images").max_size == "100.0MB"
        refused(DatasetExistsError, a.clone, "images_mine")
        refused(DatasetError, Dataset, "images", max_size="7GB")
        refused(DatasetExistsError, Dataset, "kit_vol", max_size="100MB")
        b.delete()
        # The deleted clone is in the recovery queue and still counts.
        assert "clones" in refused(DatasetVolumeError, a.delete)
        purge()
        a.delete()
        assert get_datasets() == []
        t.wait_for(lambda: os.listdir(os.path.join(MNT, "datasets")) == [] or "images" not in
                   os.listdir(os.path.join(MNT, "datasets")), "the datasets are gone from the mount")


@op("unmount_volume: a mount of ontapfs")
def _():
    gateway = t.Gateway(os.path.join(harness.SIM, "backend.json"), MNT).up()
    try:
        kit.unmount_volume(MNT)
        assert not gateway.mounted()
    finally:
        gateway.destroy()


skip("mount_volume, --mountpoint", "they run mount(8) with an NFS source, for which a kernel with an NFS client is needed")
skip("pull/push S3, cloud sync", "they speak to other services than ONTAP")


@op("delete_volume")
def _():
    purge()
    for name in ("kit_group", "datasets", "kit_vol"):
        kit.delete_volume(name, delete_non_clone=True)
    assert not {"kit_vol", "kit_group", "datasets"} & set(volumes())


@op("cli: delete volume")
def _():
    purge()
    cli("delete", "volume", "--name=cli_vol", "--delete-non-clone", answers="yes\n")
    assert "cli_vol" not in volumes()


# The first one writes the configuration for both. They share nothing else, so that they can run side by side.
configure, others = harness.OPS[0], harness.OPS[1:]
harness.OPS[:] = [configure] + [o for o in others if o[0].startswith("cli:") == (os.environ["PART"] == "cli")]
if os.environ["PART"] == "cli":
    harness.SKIPPED.clear()  # told once
harness.main("netapp-dataops-traditional", "dataops-traditional")
