#!/usr/bin/env python3
"""The examples of docs/SEMANTICS.md do what the page says."""
# needs: own-mount
# time-limit: 120
import examples
import ontapfs_test as t

t.need("getfattr", "jq", "setpriv")
# They list .snapshots and empty the volume, hence a mount of their own.
with t.own_mount(name="datasets") as (sim, gw):
    examples.run("SEMANTICS.md", gw.mnt, 31)
