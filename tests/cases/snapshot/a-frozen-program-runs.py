#!/usr/bin/env python3
"""A program in a snapshot executes, is mapped, and survives the change of its live version."""
import os
import shutil
import ontapfs_test as t

shutil.copy("/bin/echo", t.CASE + "/prog")
t.take()
t.eq(t.run(t.in_snap() + "/prog", "hello").stdout, "hello\n", "from the snapshot")
t.write(t.CASE + "/prog", "#!/bin/sh\necho other\n")
os.chmod(t.CASE + "/prog", 0o755)
t.eq(t.run(t.in_snap() + "/prog", "hello").stdout, "hello\n", "after the live one changed")
t.eq(t.run(t.CASE + "/prog").stdout, "other\n", "the live one")
