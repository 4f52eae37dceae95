"""`python -m iris.worker.healthy --vm DIR`: does the keeper live? Asked by Docker."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from iris import processes
from iris.paths import machine_path
from iris.worker.boots import KeeperFile
from iris.worker.folders import VmFolder


def main(words: list[str] | None = None) -> int:
    """0 if the keeper of a VM lives, else 1 and why on stderr."""
    parser = argparse.ArgumentParser(prog="iris.worker.healthy")
    parser.add_argument("--vm", type=Path, required=True)
    folder = VmFolder(machine_path(parser.parse_args(words).vm.absolute()))
    try:
        keeper = msgspec.json.decode(folder.keeper.read_bytes(), type=KeeperFile)
    except (OSError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"not healthy: {error}\n")
        return 1
    if not processes.is_same(keeper.pid, keeper.began):
        sys.stderr.write(f"not healthy: the keeper (pid {keeper.pid}) is dead\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
