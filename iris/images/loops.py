"""Files as block devices: what a VM that is a container has as persistent disks."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def loop_device(file: Path, size: int) -> str:
    """The block device that a file is, made where it is none. Raises OSError."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as made:
            made.truncate(size)
    found = _losetup("--associated", str(file), "--noheadings", "--output", "NAME")
    return found or _losetup("--find", "--show", str(file))


def release_loop_device(file: Path) -> None:
    """The file is a file again."""
    for device in _losetup(
        "--associated", str(file), "--noheadings", "--output", "NAME"
    ).split():
        _losetup("--detach", device)


def _losetup(*words: str) -> str:
    return _said(["losetup", *words]).strip()


def _said(words: Sequence[str]) -> str:
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise OSError(ran.returncode, ran.stderr.strip() or words[0])
    return ran.stdout
