#!/usr/bin/env python3
"""check.py FILE...: each document of the YAML files by Kubernetes' schemas, strictly; and what must be in them."""
import sys
import kubernetes_validate
import yaml

# The first release that the chart is for, and the newest whose schemas are here.
VERSIONS = ("1.27", "1.31", "1.34")
CRDS = {("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass"): ("driver", "deletionPolicy"),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"): ("spec",)}
seen, failed, passed = {}, 0, 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        for doc in yaml.safe_load_all(f):
            if not doc:
                continue
            name = "%s %s/%s" % (path.rsplit("/", 1)[-1], doc["kind"], doc["metadata"]["name"])
            seen[doc["kind"], doc["metadata"]["name"]] = doc
            try:
                crd = CRDS.get((doc["apiVersion"], doc["kind"]))
                if crd:
                    missing = [k for k in crd if k not in doc]
                    assert not missing, "without %s" % missing
                else:
                    for version in VERSIONS:
                        kubernetes_validate.validate(doc, version, strict=True)
                passed += 1
                print("ok   " + name)
            except Exception as e:  # pylint: disable=broad-except
                failed += 1
                print("FAIL %s: %s" % (name, str(e).splitlines()[0]))


def rule(what, good):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print("%s %s" % ("ok  " if good else "FAIL", what))


def spec(kind, name):
    return seen[kind, name]["spec"]["template"]["spec"]


holder, node = spec("DaemonSet", "ontapfs-holder"), spec("DaemonSet", "ontapfs-csi-node")
controller = spec("Deployment", "ontapfs-csi-controller")
rule("the node driver has no secret", not any("secret" in v for v in node["volumes"]))
rule("holder and node driver see the host's processes", holder["hostPID"] and node["hostPID"])
runs = [[e["value"] for e in c.get("env", []) if e["name"] == "ONTAPFS_RUN_DIR"]
        for c in (holder["containers"][0], node["initContainers"][0])]
rule("the driver's pod finds the holder", runs[0] and runs[0] == runs[1])
rule("the holder is replaced by hand only", seen["DaemonSet", "ontapfs-holder"]["spec"]["updateStrategy"] == {"type": "OnDelete"})
rule("the controller has no privilege",
     not any(c.get("securityContext", {}).get("privileged") for c in controller["containers"]))
rule("sidecars talk to the driver's socket",
     all("--csi-address=/csi/csi.sock" in c["args"] for c in controller["containers"] if c["name"] != "driver"))
rule("the policy in the ConfigMap is JSON", '"namespaces"' in seen["ConfigMap", "ontapfs-policy"]["data"]["policy.json"])
for pod in (s for (k, _), s in seen.items() if k == "Pod"):
    rule("pods of users are not privileged", "privileged" not in str(pod) and "hostPath" not in str(pod))
print("%d passed, %d failed, 0 skipped" % (passed, failed))
sys.exit(failed > 0)
