#!/usr/bin/env python3
"""Without dataLIF all data LIFs are found by REST; the tree works over four of them."""
# needs: own-mount
import os
import ontapfs_test as t

with t.own_mount(sim_args=("--lifs", 4, "--max-xfer", 1 << 20)) as (sim, gw):
    recs = t.rest("GET", "/network/ip/interfaces?services=data_nfs&fields=ip.address", sim=sim.dir)[1]["records"]
    t.eq(len(recs), 4, "LIFs in REST")
    data = os.urandom(16 << 20)
    t.write(gw.mnt + "/project1/f", data)
    t.write(sim.path("project1") + "/g", data[::-1])
    t.ok(t.read(gw.mnt + "/project1/g") == data[::-1], "bytes read over many LIFs")
    t.ok(t.read(sim.path("project1") + "/f") == data, "bytes written over many LIFs")
    status = t.read(gw.mnt + "/.ontap/status.json").decode()
    for r in recs:
        t.ok(r["ip"]["address"] in status, r["ip"]["address"] + " in status.json")
