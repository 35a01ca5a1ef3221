"""MLflow runs that know the exact bytes they were trained on.

    log_data("/datasets/project1/.snapshots/run1/train")     in a run: tags, and a dataset input
    path_of(run_id)                                           from a run back to the path

Needs mlflow and nothing else: a path in the tree tells by extended attributes what it is.
"""
import json
import os

import mlflow
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.dataset_source_registry import register_dataset_source
from mlflow.data.meta_dataset import MetaDataset


def _attr(path, name):
    """The attribute ontap.NAME of a path, or None where it has none."""
    try:
        return os.getxattr(path, "ontap." + name).decode()
    except OSError:
        return None


def about(path):
    """What the path is, as ontap.json tells: kind, uri, volume, snapshot. ValueError outside of a tree."""
    try:
        return json.loads(os.getxattr(path, "ontap.json"))
    except OSError as error:
        raise ValueError("%s is not in a mounted tree of ontapfs: %s" % (path, error.strerror)) from error


class OntapSource(DatasetSource):
    """Where a dataset of MLflow comes from: ontap://SVM/VOLUME-UUID@SNAPSHOT-UUID/path."""

    def __init__(self, uri):
        self.uri = uri

    @staticmethod
    def _get_source_type():
        return "ontap"

    @staticmethod
    def _can_resolve(raw_source):
        return str(raw_source).startswith("ontap://")

    @classmethod
    def _resolve(cls, raw_source):
        return cls(str(raw_source))

    @classmethod
    def from_dict(cls, source_dict):
        return cls(source_dict["uri"])

    def to_dict(self):
        return {"uri": self.uri}

    def load(self, **kwargs):
        raise NotImplementedError("the data is not fetched: path_of() tells where it is mounted")


register_dataset_source(OntapSource)


def log_data(path, context="training"):
    """Notes in the active run which bytes it reads: tags, and a dataset input whose digest is the snapshot.

    ValueError for what can change while the run reads it: a live volume or a clone.
    """
    path = os.path.realpath(path)
    what = about(path)
    if "snapshot" not in what:
        raise ValueError("%s is not in a snapshot, its bytes can change: make one with os.mkdir(VOLUME/.snapshots/NAME)" % path)
    volume, snapshot = what["volume"], what["snapshot"]
    mlflow.set_tags({
        "data_volume_name": volume["name"], "data_volume_uuid": volume["uuid"],
        "snapshot_name": snapshot["name"], "snapshot_uuid": snapshot["uuid"],
        "uri": what["uri"], "data_path": what["path"],
    })
    # MLflow keeps 36 characters of a digest: a UUID is just that long.
    dataset = MetaDataset(OntapSource(what["uri"]), name="%s@%s" % (volume["name"], snapshot["name"]), digest=snapshot["uuid"])
    mlflow.log_input(dataset, context=context)


def path_of(run_id, tree="/datasets"):
    """The path whose bytes the run read. By UUIDs: a renamed snapshot is found, a remade one is never taken for it."""
    tags = mlflow.get_run(run_id).data.tags
    volume = next((v.path for v in os.scandir(tree) if _attr(v.path, "volume.uuid") == tags["data_volume_uuid"]), None)
    if volume is None:
        raise LookupError("run %s: the volume %s is not in %s" % (run_id, tags["data_volume_name"], tree))
    for snapshot in os.scandir(volume + "/.snapshots"):
        if _attr(snapshot.path, "snapshot.uuid") == tags["snapshot_uuid"]:
            return snapshot.path + tags["data_path"].rstrip("/")
    remade = _attr(volume + "/.snapshots/" + tags["snapshot_name"], "snapshot.uuid")
    raise LookupError("run %s: snapshot %s (%s) of %s was deleted%s" % (
        run_id, tags["snapshot_name"], tags["snapshot_uuid"], volume, remade and " and remade: it is %s now" % remade or ""))
