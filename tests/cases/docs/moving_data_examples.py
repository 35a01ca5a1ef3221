#!/usr/bin/env python3
"""The examples of docs/moving-data.md do what the page says."""
# needs: own-mount
# not-on: ganesha (its numbers of links and blocks differ)
# time-limit: 120
import examples
import ontapfs_test as t

t.need("getfattr", "rsync", "tar", "xargs")
with t.own_mount(name="datasets") as (sim, gw):
    examples.run("moving-data.md", gw.mnt, 10)
