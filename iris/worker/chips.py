"""The TPU's chips, as devices of this machine, and whether they are free.

The driver lets one process have a chip: libtpu of a former attempt that still ends
makes the next one fail. /dev/accel* are those of older generations, the groups of
/dev/vfio those of v5p, v6e and later.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from iris.paths import machine_path


def devices() -> list[Path]:
    """All that a TPU attempt opens; empty on a machine without chips."""
    root = machine_path(Path("/dev"))
    control = [root / "vfio" / "vfio"]
    found = chips()
    return [*found, *(path for path in control if found and path.exists())]


def chips() -> list[Path]:
    """One device for each chip that this machine has."""
    root = machine_path(Path("/dev"))
    return sorted([*root.glob("accel[0-9]*"), *root.glob("vfio/[0-9]*")])


def why_busy(found: Sequence[Path]) -> str:
    """What keeps one of the chips, for a person; empty where all are free."""
    held = _holders({str(path) for path in found})
    for path in found:
        if str(path) in held:
            return f"{path} is held by {held[str(path)]}"
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            is_held = error.errno == errno.EBUSY
            return f"{path} {'is busy' if is_held else f'fails: {error.strerror}'}"
    return ""


def _holders(paths: set[str]) -> dict[str, str]:
    """Who has which of the paths open, as far as we may see."""
    held: dict[str, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for entry in os.listdir(process / "fd"):
                target = os.readlink(process / "fd" / entry)
                if target in paths:
                    name = (process / "comm").read_text().strip()
                    held[target] = f"{name} (pid {process.name})"
    return held
