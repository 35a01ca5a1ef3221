#!/usr/bin/env python3
"""A pipeline of plain file operations: snapshot, train, validate, clone, promote.

    pipeline.py pipeline.yaml      compiles it

All steps mount one claim, a volume by ontapfs-csi, at /data: train.csv is in it (features, then a label 0 or 1, a line).
"""
import sys

from kfp import compiler, dsl, kubernetes

IMAGE = "python:3.12"
NUMPY = ["numpy==2.2.6"]


@dsl.component(base_image=IMAGE)
def snapshot(volume: str, name: str) -> dict:
    """A snapshot of now; its UUID pins what all later steps read."""
    import os
    path = os.path.join(volume, ".snapshots", name)
    os.mkdir(path)
    return {"volume": volume, "name": name, "path": path, "uuid": os.getxattr(path, "ontap.snapshot.uuid").decode(),
            "uri": os.getxattr(path, "ontap.uri").decode()}


@dsl.component(base_image=IMAGE, packages_to_install=NUMPY)
def train(data: dict, epochs: int) -> dict:
    """Logistic regression on the frozen bytes."""
    import os
    import numpy as np
    now = os.getxattr(data["path"], "ontap.snapshot.uuid").decode()
    if now != data["uuid"]:
        raise RuntimeError(f"{data['path']} was deleted and remade during the run: it was {data['uuid']}, it is {now}")
    table = np.loadtxt(data["path"] + "/train.csv", delimiter=",")
    x, y = np.column_stack([table[:, :-1], np.ones(len(table))]), table[:, -1]
    w = np.zeros(x.shape[1])
    for _ in range(epochs):
        w -= 0.5 * x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y)
    return {"weights": w.tolist(), "trained_on": data["uri"]}


@dsl.component(base_image=IMAGE, packages_to_install=NUMPY)
def validate(data: dict, model: dict, wanted: float) -> float:
    """On the same bytes. Fails, and so ends the run, where the model is not good enough."""
    import os
    import numpy as np
    now = os.getxattr(data["path"], "ontap.snapshot.uuid").decode()
    if now != data["uuid"]:
        raise RuntimeError(f"{data['path']} was deleted and remade during the run: it was {data['uuid']}, it is {now}")
    table = np.loadtxt(data["path"] + "/train.csv", delimiter=",")
    x, y = np.column_stack([table[:, :-1], np.ones(len(table))]), table[:, -1]
    accuracy = float(np.mean((x @ np.array(model["weights"]) > 0) == y))
    if accuracy < wanted:
        raise ValueError(f"accuracy {accuracy:.3f}, wanted {wanted:.2f}: not promoted")
    return accuracy


@dsl.component(base_image=IMAGE)
def clone(data: dict, model: dict, accuracy: float) -> str:
    """Model and data beside each other in a clone; the live volume sees nothing of it."""
    import json
    import os
    path = os.path.join(data["volume"], ".clones", "candidate_" + data["uuid"].replace("-", "_"))
    os.symlink("../.snapshots/" + data["name"], path)
    with open(path + "/model.json", "w", encoding="utf-8") as f:
        json.dump({**model, "accuracy": accuracy}, f)
    return path


@dsl.component(base_image=IMAGE)
def promote(data: dict, candidate: str) -> str:
    """The candidate's model becomes the live one, whole; then the clone goes. The snapshot stays as the record."""
    import os
    with open(candidate + "/model.json", encoding="utf-8") as f:
        text = f.read()
    new = os.path.join(data["volume"], ".model.json.new")
    with open(new, "w", encoding="utf-8") as f:
        f.write(text)
    live = os.path.join(data["volume"], "model.json")
    os.replace(new, live)
    os.setxattr(candidate, "ontap.arm", os.path.basename(candidate).encode())
    os.rmdir(candidate)
    return live


@dsl.pipeline(name="train-on-snapshot")
def train_on_snapshot(name: str, claim: str = "project1", epochs: int = 200, wanted: float = 0.9):
    taken = snapshot(volume="/data", name=name)
    model = train(data=taken.output, epochs=epochs)
    accuracy = validate(data=taken.output, model=model.output, wanted=wanted)
    candidate = clone(data=taken.output, model=model.output, accuracy=accuracy.output)
    promoted = promote(data=taken.output, candidate=candidate.output)
    for task in (taken, model, accuracy, candidate, promoted):
        # A cached snapshot would be none.
        task.set_caching_options(False)
        kubernetes.mount_pvc(task, pvc_name=claim, mount_path="/data")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    compiler.Compiler().compile(train_on_snapshot, sys.argv[1])
