"""The state disk: how full it is, what may still be written, and a floor for State.

The ballast is a file that nobody reads. Where even State finds no room, since others
filled the disk, it is given up, so that stops, ends and deletions can be committed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from iris.domain.disk import DiskLevel, DiskUse, words_of_disk
from iris.errors import DiskFull

MOST_BALLAST = 64 << 20  # bytes; four times what the database's log grows to
_CALLS_FOR_A_LOOK = 16
_BALLAST_SHARE = 0.05  # of a smaller disk
_LOG = logging.getLogger(__name__)

DiskPort = Callable[[], DiskUse]


def look_at(folder: Path) -> DiskPort:
    """How full the disk is that a folder lies on, whenever it is asked."""

    def look() -> DiskUse:
        found = os.statvfs(folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        free = found.f_bavail * found.f_frsize
        return DiskUse(used + free, free)

    return look


class Glance:
    """Asks at each sixteenth call while the answer is yes: a look takes a while.

    What is written between two looks is little; a no is asked anew each time.
    """

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._was_so = False
        self._calls = 0

    def __call__(self) -> bool:
        """What was answered last, or is now."""
        self._calls += 1
        if not self._was_so or self._calls % _CALLS_FOR_A_LOOK == 0:
            self._was_so = self._ask()
        return self._was_so


class StateDisk:
    """What the parts of the controller may write. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        look: DiskPort | None = None,
        most_ballast: int = MOST_BALLAST,
    ) -> None:
        self._look = look or look_at(folder)
        self._ballast = folder / "ballast"
        self._most_ballast = most_ballast
        self._lock = threading.Lock()

    def use(self) -> DiskUse:
        """How full it is; where the ballast is not there, its room is not free."""
        use = self._look()
        missing = max(self._wanted(use) - self._ballast_bytes(), 0)
        return DiskUse(use.total_bytes, max(use.free_bytes - missing, 0))

    def may_write(self) -> bool:
        """May output of tasks be kept?"""
        return self.use().level is not DiskLevel.FULL

    def require_room(self) -> None:
        """Before anything new is taken. Raises DiskFull."""
        self._refuse_at(DiskLevel.TIGHT, DiskLevel.FULL)

    def require_floor(self) -> None:
        """Before outputs of tasks are kept. Raises DiskFull."""
        self._refuse_at(DiskLevel.FULL)

    def give_up_ballast(self) -> bool:
        """Make room for State; was there something to give up?"""
        with self._lock:
            try:
                size = self._ballast.stat().st_size
                self._ballast.unlink()
            except OSError:
                return False
        _LOG.warning("ballast given up bytes=%d", size)
        return size > 0

    def make_way(self) -> None:
        """At a start: the database cannot even be opened on a full disk."""
        use = self._look()
        if use.free_bytes < self._wanted(use):
            self.give_up_ballast()

    def keep_ballast(self) -> None:
        """Put it there, once there is room for it and as much again."""
        use = self._look()
        wanted = self._wanted(use)
        with self._lock:
            is_there = self._ballast_bytes() >= wanted
            if is_there or use.free_bytes < 2 * wanted:
                return
            try:
                self._allocate(wanted)
            except OSError as error:
                # without one the cluster works too
                self._ballast.unlink(missing_ok=True)
                _LOG.warning('no ballast because="%s"', error.strerror)

    def _allocate(self, size: int) -> None:
        handle = os.open(self._ballast, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size)
            else:
                os.pwrite(handle, bytes(size), 0)
        finally:
            os.close(handle)

    def _wanted(self, use: DiskUse) -> int:
        share = int(use.total_bytes * _BALLAST_SHARE)
        return max(min(share, self._most_ballast), 1)

    def _ballast_bytes(self) -> int:
        try:
            return self._ballast.stat().st_size
        except OSError:
            return 0

    def _refuse_at(self, *levels: DiskLevel) -> None:
        use = self.use()
        if use.level in levels:
            raise DiskFull(
                words_of_disk(use),
                hint="What runs goes on, and can be stopped. Lower `retention` in the "
                "cluster file, or make the disk larger (`controller/state_disk`).",
            )
