"""`python -m iris.worker --vm DIR`: the keeper of one VM."""

from __future__ import annotations

import argparse
import fcntl
import logging
import sys
from pathlib import Path

from iris.clock import RealClock
from iris.domain.machine import VmMetadata
from iris.errors import IrisError
from iris.files import make_private
from iris.paths import machine_path
from iris.structs import learn_all
from iris.worker.discovery import read_metadata
from iris.worker.folders import VmFolder
from iris.worker.former import end_former
from iris.worker.keeper import DOCKER, Keeper


def main() -> int:
    """Hold the VM's lock and keep it."""
    parser = argparse.ArgumentParser(prog="iris.worker", description=__doc__)
    parser.add_argument("--vm", type=Path, required=True, help="the VM's folder")
    folder = VmFolder(machine_path(parser.parse_args().vm.absolute()))
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s keeper %(message)s",
    )
    learn_all()
    try:
        metadata = read_metadata(folder)
        make_private(folder.root)
        return _keep(folder, metadata)
    except IrisError as error:
        sys.stderr.write(f"iris.worker: {error}\n")
        return error.exit_status


def _keep(folder: VmFolder, metadata: VmMetadata) -> int:
    clock = RealClock()
    with folder.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"iris.worker: {folder.root} has a keeper already\n")
            return 0
        if metadata.runtime != DOCKER:
            end_former(folder, clock)
        Keeper(folder, clock, metadata).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
