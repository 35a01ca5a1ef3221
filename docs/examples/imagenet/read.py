#!/usr/bin/env python3
"""Reads this worker's share of the images of a directory, in the place of the training.

    read.py DIRECTORY

RANK and WORLD_SIZE (0 and 1) tell the share, as torchrun and the jobs beside this file set them.
Prints one JSON line: rank, images, bytes, seconds, uri. Needs only Python.
"""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def images(top):
    """All files below a directory, in an order that is the same on every node."""
    for folder, folders, names in os.walk(top, onerror=fail):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(names))


def fail(error):
    raise error


def size(path):
    with open(path, "rb", buffering=0) as f:
        total = 0
        while block := f.read(1 << 20):
            total += len(block)
        return total


def main(top):
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    uri = os.getxattr(top, "ontap.uri").decode()
    begin = time.monotonic()
    share = list(images(top))[rank::world]
    with ThreadPoolExecutor(16) as pool:
        total = sum(pool.map(size, share))
    print(json.dumps({"rank": rank, "images": len(share), "bytes": total, "seconds": round(time.monotonic() - begin, 3), "uri": uri}))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (IndexError, OSError) as problem:
        sys.exit("read.py: %s\n%s" % (problem, __doc__))
