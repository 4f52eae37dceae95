"""Starts a cluster's tunnel in the background; what it leads to comes on stdin.

    python -m iris.remote --folder $IRIS_HOME/clusters/NAME < destination.json

Where the cluster has one already, nothing happens.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import sys
from pathlib import Path

from iris import wire
from iris.remote.background import IDLE_AFTER, Background
from iris.remote.target import Destination

LOG, LOCK = "tunnel.log", "tunnel.lock"


def main() -> None:
    """Leave a process behind that whoever started us need not wait for."""
    parser = argparse.ArgumentParser(prog="python -m iris.remote", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--idle-after", type=float, default=IDLE_AFTER)
    words = parser.parse_args()
    folder = words.folder.absolute()
    destination = wire.decode(sys.stdin.buffer.read(), Destination)
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    if _is_alone(folder):
        _log_to(folder / LOG)
        Background(folder, destination, words.idle_after).serve()
    os._exit(0)


def _is_alone(folder: Path) -> bool:
    """Take the lock that its one tunnel holds to its end."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _log_to(path: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    log = os.open(path, flags, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    logging.basicConfig(
        format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr
    )


if __name__ == "__main__":
    main()
