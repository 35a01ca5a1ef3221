#!/usr/bin/env python3
"""`.ontap/stats` passes `promtool check metrics`: names, types, units, histograms."""
import subprocess
import ontapfs_test as t

t.need("promtool")
p = subprocess.run(["promtool", "check", "metrics"], input=t.read(t.MNT + "/.ontap/stats"), stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT, timeout=50, check=False)
t.eq((p.returncode, p.stdout.decode()), (0, ""), "promtool check metrics")
