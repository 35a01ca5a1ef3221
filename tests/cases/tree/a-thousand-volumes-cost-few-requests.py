#!/usr/bin/env python3
"""A filer with a thousand volumes is listed, searched and kept fresh by few requests; make scale takes ten times as many."""
# needs: own-mount
# not-on: ganesha (it does not serve synthetic volumes)
import scale

print(scale.measure(1000, 1023, 6))
