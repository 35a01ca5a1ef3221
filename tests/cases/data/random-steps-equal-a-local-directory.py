#!/usr/bin/python3
"""Random steps over files, names, snapshots and clones give what a local directory gives."""
# needs: own-mount
# time-limit: 150
#
# By Debian's Python, whose hypothesis it needs. The seed is always the same here, so that everybody runs
# the same steps; SEED=N chooses, and `tests/model` runs for hours. A difference prints its seed and steps.
import os
import ontapfs_test as t

try:
    import model
except ModuleNotFoundError as e:
    if e.name != "hypothesis":
        raise
    t.skip("python3-hypothesis is not installed")

seed = int(os.environ.get("SEED", "1"))
os.umask(0)
with t.own_sim() as sim:
    world = model.World(sim, t.WORK)
    with world.gw:
        steps = model.explore(world, seed, 5)
        print("SEED=%d: %d steps" % (seed, steps))
        t.ok(steps, "some steps were made")
