"""Where things lie in the folder of one VM."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

OUTPUT, WORK, OUTPUTS = "output", "work", "outputs"
PARTS = (WORK, OUTPUTS)  # the folders in each attempt's


class VmFolder:
    """The folder of one VM."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metadata = root / "metadata.json"
        self.lock = root / "lock"
        self.keeper = root / "keeper.json"
        self.identity = root / "worker.json"
        self.controller = root / "controller"  # where it listens now
        self.journal = root / "journal"
        self.bundles = root / "cache" / "bundles"
        self.shared = root / "cache" / "shared"  # which every container has
        self.attempts = root / "attempts"
        self.collected = root / "collected"  # outputs, packed; no attempt comes here
        self.spares = root / "spares"  # folders of ended attempts, empty
        self.known = root / "known"  # where attempts outlive their keeper

    def attempt(self, uid: str) -> Path:
        """All that one attempt leaves on disk."""
        return self.attempts / uid

    def output(self, uid: str) -> Path:
        """What the attempt prints."""
        return self.attempts / uid / OUTPUT

    def deadline(self, uid: str) -> Path:
        """When SIGKILL follows, once the attempt was asked to end."""
        return self.attempts / uid / "deadline"

    def setup(self, key: str) -> Path:
        """What a job's set-up made, for all attempts that have the same."""
        return self.shared / "setups" / key

    def controller_of(self, uid: str) -> Path:
        """The same, where an attempt sees nothing but its own folder."""
        return self.attempts / uid / "controller"

    def secrets(self, uid: str) -> Path:
        """The attempt's secrets, which become its variables when it starts."""
        return self.attempts / uid / "secrets"

    def kept(self, uid: str) -> Path:
        """The environment of an attempt that failed, while its place is kept."""
        return self.attempts / uid / "kept"

    def outputs(self, uid: str) -> Path:
        """What it leaves here is collected: its IRIS_OUTPUT_DIR."""
        return self.attempts / uid / OUTPUTS

    def packed(self, uid: str) -> Path:
        """Its outputs on their way."""
        return self.collected / f"{uid}.tar.gz"

    def work(self, uid: str) -> Path:
        """Where the attempt runs; its bundle is laid out here."""
        return self.attempts / uid / WORK

    def make_attempt(self, uid: str) -> None:
        """Make the attempt's folders where an agent has not."""
        for path in (self.attempt(uid), self.work(uid), self.outputs(uid)):
            try:
                os.mkdir(path)
            except FileExistsError:
                continue
            except FileNotFoundError:
                path.mkdir(parents=True)


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place at once, readable by its owner only.

    Not synced to disk, unlike `iris.files`: it has to outlive processes, and a VM
    that crashed is replaced.
    """
    fresh = path.with_name(f"{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "wb") as file:
        file.write(content)
    fresh.replace(path)


def remove(folder: Path) -> None:
    """Remove a folder whole, though a program left parts of it read-only.

    What a program put in its place goes too: a file, or a link but not what it names.
    """
    if folder.is_symlink() or folder.is_file():
        folder.unlink(missing_ok=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    for here, _, _ in os.walk(folder):
        for entry in os.scandir(here):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
