"""What attempts of a VM share, kept below a bound: least recently used goes first.

A unit goes whole or not at all, as its tool can bear it: a file of pip's or XLA's
cache, a model of Hugging Face's, all of uv's, a set-up, or what a job put beside them.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from iris.domain.preparing import words_of_lack
from iris.domain.protocol import AttemptSpec
from iris.worker.agent.desk import Desk
from iris.worker.agent.environment import setup_key
from iris.worker.folders import remove

log = logging.getLogger(__name__)

PAUSE = 60.0  # seconds between looks, or more: they take at most a fiftieth of the time
SHARE = 50
PREPARING = 1800.0  # seconds that what is being prepared may have begun ago
SETUPS = "setups"
# How deep units lie below the folder of each tool; a negative depth means files.
_DEPTHS = {SETUPS: 1, "uv": 0, "huggingface": 2, "pip": -1, "jax": -1}
_ANY_TIME = ("pip", "jax")  # whoever reads such a file has it open, or makes it anew


class Unit(msgspec.Struct, frozen=True):
    """What goes as one."""

    path: Path
    tool: str
    size: int  # bytes on the disk
    used_at: float  # as well as the file system tells


class Caches:
    """The shared folder of one VM."""

    def __init__(self, shared: Path, most_bytes: int, desk: Desk) -> None:
        self._shared = shared
        self._most_bytes = most_bytes
        self.desk = desk
        self._lock = threading.Lock()

    def watch(self) -> None:
        """Look now and then, for ever, while there is something that could grow."""
        while True:
            began = time.monotonic()
            if self.desk.all():
                self.prune()
            took = time.monotonic() - began
            threading.Event().wait(max(PAUSE, took * SHARE))

    def prune(self, less_bytes: int = 0) -> None:
        """Come below the bound, or free so much more, without what is in use."""
        with self._lock:
            units = units_of(self._shared)
            total = sum(unit.size for unit in units)
            most = max(self._most_bytes, 0)
            if less_bytes:
                most = min(most, max(total - less_bytes, 0))
            gone = [
                *plan_pruning(units, most, self._keys_in_use(), self._in_use_since())
            ]
            for unit in gone:
                _remove(unit.path)
        if gone:
            freed = sum(unit.size for unit in gone)
            log.info("caches pruned units=%d bytes=%d", len(gone), freed)

    def make_room(self, wanted: int) -> str:
        """Why there is not so much free disk; empty if there is."""
        self._shared.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._shared).free
        if free < wanted:
            self.prune(less_bytes=wanted - free)
            free = shutil.disk_usage(self._shared).free
        if free >= wanted:
            return ""
        return words_of_lack(free, wanted)

    def live_specs(self) -> list[AttemptSpec]:
        """Of all attempts that have not ended."""
        live = [held.spec for held in self.desk.all() if not held.has_ended]
        return [spec for spec in live if spec is not None]

    def _keys_in_use(self) -> set[str]:
        return {setup_key(spec) for spec in self.live_specs() if spec.setup}

    def _in_use_since(self) -> float:
        """When the oldest attempt that lives may have begun to use something."""
        now = time.time()
        times = [now]
        for held in self.desk.all():
            if not held.has_ended:
                known = held.known
                is_running = known is not None and known.started_at
                times.append(
                    known.started_at if known and is_running else now - PREPARING
                )
        return min(times)


def plan_pruning(
    units: Collection[Unit], most_bytes: int, keys: Collection[str], since: float
) -> Iterator[Unit]:
    """What goes so that the rest is within the bound, the longest unused first."""
    left = sum(unit.size for unit in units)
    for unit in sorted(units, key=lambda each: each.used_at):
        if left <= most_bytes:
            return
        is_used = unit.used_at >= since
        if unit.tool == SETUPS:
            is_used = unit.path.name in keys
        if unit.tool in _ANY_TIME or not is_used:
            left -= unit.size
            yield unit


def units_of(shared: Path) -> list[Unit]:
    """Everything below the shared folder, as what goes as one."""
    found = []
    seen: set[tuple[int, int]] = set()  # a file with two names takes its room once
    for tool in _entries(shared):
        depth = _DEPTHS.get(tool.name, 0)
        for path in _at_depth(tool, depth):
            found.append(_measure(path, tool.name, seen))
    return found


def _at_depth(path: Path, depth: int) -> Iterator[Path]:
    is_folder = path.is_dir() and not path.is_symlink()
    if depth == 0 or not is_folder:
        yield path
        return
    for entry in _entries(path):
        yield from _at_depth(entry, depth - 1)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # gone meanwhile
        return []


def _measure(path: Path, tool: str, seen: set[tuple[int, int]]) -> Unit:
    size, used_at = 0, 0.0
    for each in _files(path):
        try:
            stat = each.lstat()
        except OSError:
            continue
        used_at = max(used_at, stat.st_mtime, stat.st_atime)
        if (stat.st_dev, stat.st_ino) not in seen:
            seen.add((stat.st_dev, stat.st_ino))
            size += stat.st_blocks * 512
    return Unit(path, tool, size, used_at)


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for here, _, names in os.walk(path):
        for name in names:
            yield Path(here, name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove(path)
    else:
        path.unlink(missing_ok=True)
