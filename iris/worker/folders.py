"""Where things lie in the folder of one VM."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from iris.domain.machine import VmMetadata
from iris.errors import UsageError


class VmFolder:
    """The folder of one VM."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metadata = root / "metadata.json"
        self.lock = root / "lock"
        self.keeper = root / "keeper.json"
        self.identity = root / "worker.json"
        self.journal = root / "journal"
        self.bundles = root / "cache" / "bundles"

    def attempt(self, uid: str) -> Path:
        return self.root / "attempts" / uid

    def output(self, uid: str) -> Path:
        return self.attempt(uid) / "output"

    def work(self, uid: str) -> Path:
        return self.attempt(uid) / "work"


def read_metadata(folder: VmFolder) -> VmMetadata:
    """Who this VM is. Raises UsageError if it is not told whole."""
    try:
        metadata = msgspec.json.decode(folder.metadata.read_bytes(), type=VmMetadata)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{folder.metadata}: {error}") from error
    if not 0 <= metadata.index < metadata.vms:
        raise UsageError(
            f"{folder.metadata}: index {metadata.index} of {metadata.vms} VMs"
        )
    return metadata


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place at once, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "wb") as file:
        file.write(content)
    fresh.replace(path)
