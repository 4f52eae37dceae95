"""Chips of a pretended TPU VM, and strangers that hold them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Devices of the kernel's that open for everybody and do nothing: full, zero, random,
# urandom. Each chip is another one.
_MEMORY, _HARMLESS = 1, (7, 5, 8, 9)


def a_chip(folder: Path, index: int) -> Path:
    """A real device where we may make and open one, else a plain file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"accel{index}"
    try:
        os.mknod(path, stat.S_IFCHR, os.makedev(_MEMORY, _HARMLESS[index]))
        path.chmod(0o666)
        path.open("rb").close()
    except PermissionError:
        path.unlink(missing_ok=True)
        path.touch()
    return path


@contextmanager
def a_stranger(chip: Path) -> Iterator[int]:
    """A process that is no attempt's has the chip open; its pid."""
    with chip.open("rb") as held:
        stranger = subprocess.Popen(["sleep", "1000"], stdin=held)
    try:
        yield stranger.pid
    finally:
        stranger.kill()
        stranger.wait()
