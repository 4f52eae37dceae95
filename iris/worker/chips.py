"""The TPU's chips, as devices of this machine, and whether they are free.

The driver lets one process have a chip: libtpu of a former attempt that still ends
makes the next one fail. /dev/accel* are those of older generations, the groups of
/dev/vfio those of v5p, v6e and later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from iris.paths import machine_path

# Where a worker in a container finds the processes of its whole machine: in /proc it
# sees its own alone, and neither a person's nor those of other containers.
MACHINE_PROC = Path("/machine/proc")
Identity = tuple[int, int]


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
    held = _holders(found)
    for path in found:
        if path in held:
            return f"{path} is held by {held[path]}"
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            is_held = error.errno == errno.EBUSY
            return f"{path} {'is busy' if is_held else f'fails: {error.strerror}'}"
    return ""


def _holders(found: Sequence[Path]) -> dict[Path, str]:
    """Who has which of the chips open, as far as we may see."""
    path_by_identity: dict[Identity, Path] = {}
    for path in found:
        with contextlib.suppress(OSError):
            path_by_identity[_identity(path)] = path
    names = {path.name for path in found}
    held: dict[Path, str] = {}
    for process in _processes():
        for path in _opened(process, names, path_by_identity):
            with contextlib.suppress(OSError):
                name = (process / "comm").read_text().strip()
                held[path] = f"{name} (pid {process.name})"
    return held


def _processes() -> Iterator[Path]:
    proc = machine_path(MACHINE_PROC)
    return (proc if proc.is_dir() else Path("/proc")).glob("[0-9]*")


def _opened(
    process: Path, names: set[str], path_by_identity: Mapping[Identity, Path]
) -> Iterator[Path]:
    """Which of the chips a process has open; it may end meanwhile."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(process / "fd"):
            with contextlib.suppress(OSError):
                link = process / "fd" / entry
                # the name first: to look at a file of a dead network may take for ever
                if os.path.basename(os.readlink(link)) in names:
                    identity = _identity(link)
                    if identity in path_by_identity:
                        yield path_by_identity[identity]


def _identity(path: Path) -> Identity:
    """The device behind a name, which other containers may call otherwise."""
    seen = os.stat(path)
    if stat.S_ISCHR(seen.st_mode):
        return -1, seen.st_rdev
    return seen.st_dev, seen.st_ino
