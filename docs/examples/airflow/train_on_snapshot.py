"""A DAG of plain file operations: snapshot, train, validate, clone, promote.

Volume with `train.csv` (features, then a label 0 or 1, a line): the variable or environment AIRFLOW_VAR_DATA_VOLUME,
by default /datasets/project1. Needs Airflow and numpy on the workers, and the tree mounted on each of them.
"""
import json
import os

from airflow.sdk import Variable, dag, get_current_context, task

# A model that is right in fewer cases is not promoted.
WANTED = 0.9


def attr(path, name):
    """What the tree says of a path: snapshot.uuid, uri, clone.base, ..."""
    return os.getxattr(path, "ontap." + name).decode()


def pinned(data):
    """The snapshot's path, if it still is the one that this run began with: a retry must not see another's bytes."""
    try:
        now = attr(data["path"], "snapshot.uuid")
    except OSError as error:
        raise RuntimeError("%s was deleted during the run: %s" % (data["path"], error.strerror)) from error
    if now != data["uuid"]:
        raise RuntimeError("%s was deleted and remade during the run: it was %s, it is %s" % (data["path"], data["uuid"], now))
    return data["path"]


def load(path):
    import numpy as np
    table = np.loadtxt(path + "/train.csv", delimiter=",")
    return np.column_stack([table[:, :-1], np.ones(len(table))]), table[:, -1]


@dag(schedule=None, catchup=False, tags=["ontapfs"])
def train_on_snapshot():
    @task
    def snapshot():
        """A snapshot of now, named by the run. A retry takes the one that is there."""
        run = get_current_context()["run_id"]
        volume = Variable.get("data_volume", default="/datasets/project1")
        name = "airflow-" + "".join(c if c.isalnum() or c in "-." else "-" for c in run)
        path = os.path.join(volume, ".snapshots", name)
        try:
            os.mkdir(path)
        except FileExistsError:
            pass
        return {"volume": volume, "name": name, "path": path, "uuid": attr(path, "snapshot.uuid"), "uri": attr(path, "uri")}

    @task
    def train(data):
        """Logistic regression on the frozen bytes."""
        import numpy as np
        x, y = load(pinned(data))
        w = np.zeros(x.shape[1])
        for _ in range(200):
            w -= 0.5 * x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y)
        return {"weights": w.tolist(), "trained_on": data["uri"]}

    @task
    def validate(data, model):
        """On the same bytes. Raises, and so ends the run, where the model is not good enough."""
        import numpy as np
        x, y = load(pinned(data))
        accuracy = float(np.mean((x @ np.array(model["weights"]) > 0) == y))
        if accuracy < WANTED:
            raise ValueError("accuracy %.3f, wanted %.2f: not promoted" % (accuracy, WANTED))
        return accuracy

    @task
    def clone(data, model, accuracy):
        """Model and data beside each other in a clone, as they would be live: the live volume sees nothing of it."""
        pinned(data)
        path = os.path.join(data["volume"], ".clones", "candidate_" + data["uuid"].replace("-", "_"))
        try:
            os.symlink("../.snapshots/" + data["name"], path)
        except FileExistsError:
            pass
        with open(path + "/model.json", "w", encoding="utf-8") as f:
            json.dump({**model, "accuracy": accuracy}, f)
        return path

    @task
    def promote(data, candidate):
        """The candidate's model becomes the live one: readers see the old or the new, never a part."""
        with open(candidate + "/model.json", encoding="utf-8") as f:
            text = f.read()
        json.loads(text)
        new = os.path.join(data["volume"], ".model.json.new")
        with open(new, "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(new, data["volume"] + "/model.json")
        os.setxattr(data["path"], "ontap.snapshot.comment", b"the live model.json was trained on this")

    @task(trigger_rule="all_done")
    def clean_up(data):
        """Whatever happened: the clone goes. The snapshot stays, as the record of what was trained on."""
        path = os.path.join(data["volume"], ".clones", "candidate_" + data["uuid"].replace("-", "_"))
        if os.path.isdir(path):
            os.setxattr(path, "ontap.arm", os.path.basename(path).encode())
            os.rmdir(path)

    data = snapshot()
    model = train(data)
    candidate = clone(data, model, validate(data, model))
    done = promote(data, candidate)
    cleaned = clean_up(data)
    done >> cleaned
    # The run is as good as its promotion: else it would count as well when only cleaning went well.
    @task(trigger_rule="all_success")
    def promoted():
        """The last task, so that a run that promoted nothing is a failed one."""

    [done, cleaned] >> promoted()


train_on_snapshot()
