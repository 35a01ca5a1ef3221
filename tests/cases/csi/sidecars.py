#!/usr/bin/python3
"""Each capability that the driver announces has its sidecar in the chart, and no sidecar is there for nothing."""
import os
import re
import csi_test as c
import ontapfs_test as t

# What calls the methods of a capability; None: kubelet, or nobody has to.
SIDECAR = {
    "CREATE_DELETE_VOLUME": "csi-provisioner", "CLONE_VOLUME": "csi-provisioner",
    "CREATE_DELETE_SNAPSHOT": "csi-snapshotter", "LIST_SNAPSHOTS": "csi-snapshotter",
    "EXPAND_VOLUME": "csi-resizer", "PUBLISH_UNPUBLISH_VOLUME": "csi-attacher",
    "LIST_VOLUMES": None, "SINGLE_NODE_MULTI_WRITER": None,
}
# What each of them may not do without.
RIGHTS = {"csi-provisioner": ("persistentvolumes", "create"), "csi-snapshotter": ("volumesnapshotcontents", "update"),
          "csi-resizer": ("persistentvolumeclaims/status", "patch")}
CHART = t.TOP + "/packaging/kubernetes/chart/templates/"

driver = c.Driver(t.SIM + "/backend.json", t.MNT)
try:
    driver.up()
    told = driver.csi("Controller", "ControllerGetCapabilities").capabilities
    names = [c.PB.ControllerServiceCapability.RPC.Type.Name(x.rpc.type) for x in told]
    plugin = driver.csi("Identity", "GetPluginCapabilities").capabilities
    node = [c.PB.NodeServiceCapability.RPC.Type.Name(x.rpc.type) for x in driver.csi("Node", "NodeGetCapabilities").capabilities]
finally:
    driver.end()

deployment = t.read(CHART + "controller.yaml").decode()
containers = set(re.findall(r"- name: (csi-\S+)", deployment))
t.eq({SIDECAR[n] for n in names} - {None}, containers, "sidecars of what is announced: %s" % names)
for name in containers:
    t.ok(re.search(r"\n +sidecars|sidecars\.%s" % name.replace("csi-", ""), deployment), "an image for " + name)
    resource, verb = RIGHTS[name]
    rules = t.read(CHART + "rbac.yaml").decode()
    t.ok(re.search(r"resources: \[[^]]*%s[],][^}]*?verbs: \[[^]]*%s" % (resource, verb), rules, re.S), "rights of " + name)
t.ok(any(x.volume_expansion.type for x in plugin), "volumes grow")
t.ok("STAGE_UNSTAGE_VOLUME" not in node and "EXPAND_VOLUME" not in node, "nothing is staged or grown on a node")

csidriver = t.read(CHART + "csidriver.yaml").decode()
for line in ("attachRequired: false", "podInfoOnMount: true", "fsGroupPolicy: None",
             "volumeLifecycleModes: [Persistent, Ephemeral]"):
    t.ok(line in csidriver, line)
t.ok("PUBLISH_UNPUBLISH_VOLUME" not in names, "attachRequired is false for a reason")
t.ok("OnDelete" in t.read(CHART + "holder.yaml").decode(), "the holder is replaced by hand only")
# Options that the templates give exist.
for name in os.listdir(CHART):
    text = t.read(CHART + name).decode()
    if "command: [ontapfs-csi]" in text:
        block = text.split("command: [ontapfs-csi]")[1].split("- name: csi-")[0]
        usage = t.run(c.CSI, "--help").stdout
        for option in re.findall(r"- (--[a-z-]+)=", block):
            t.ok(option in usage, "%s: %s is an option" % (name, option))
