#!/usr/bin/env python3
"""kill -9 of the NFS server, five times under a mixed load: no error, nothing done twice or lost, few connections."""
# needs: own-mount
# time-limit: 180
# not-on: ganesha (the built-in server is what dies)
# log-ok: killed by signal 9|died of signal 9
# tests/kills --server does it more often.
import killload

print(killload.server_kills(5))
