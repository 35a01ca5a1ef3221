#!/usr/bin/env python3
"""A first listing of .snapshots comes though verbs on the volume end again and again while ONTAP makes it."""
# needs: own-mount
import os
import threading
import ontapfs_test as t

SETTERS = 8

with t.own_mount("verbs_per_minute=100000") as (sim, gw):
    s = gw.mnt + "/project1/.snapshots/"
    names = ["s%d" % i for i in range(SETTERS)]
    for n in names:
        os.mkdir(s + n)
    stop = threading.Event()
    done = [0] * SETTERS

    def go_on(i):
        stop.wait(i / 10)  # not all in step
        while not stop.is_set():
            os.setxattr(s + names[i], "ontap.snapshot.comment", b"%d" % done[i])
            done[i] += 1

    t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "rest", "GET", "delay", "300")
    setters = [threading.Thread(target=go_on, args=(i,)) for i in range(SETTERS)]
    for th in setters:
        th.start()
    try:
        t.wait_for(lambda: all(done), "each to have set its comment", 30)
        listed = []
        lister = threading.Thread(target=lambda: listed.extend(os.listdir(s)), daemon=True)
        before = sum(done)
        lister.start()
        lister.join(15)
        print("%d comments were set meanwhile" % (sum(done) - before))
        t.eq(sorted(listed), names, "the listing while comments are set")
    finally:
        stop.set()
        for th in setters:
            th.join(30)
        t.run(t.ONTAPSIM, "ctl", sim.dir, "fault", "clear")
