"""The empty folders of ended attempts, for those that come next.

ext4 remembers for some seconds which inodes were freed, and steps over each of them
when it looks for a new one: three folders made and removed for every short attempt
cost a third of the keeper's time.
"""

from __future__ import annotations

import os
from pathlib import Path

from iris.worker.folders import OUTPUT, PARTS, VmFolder

MOST = 256  # folders; more than that have rarely ended at once


class Spares:
    """Those of one VM; its agent puts them by, its keeper takes them."""

    def __init__(self, folder: VmFolder) -> None:
        self._folder = folder.spares
        self._names: list[str] = []

    def take(self, attempt: Path) -> bool:
        """Make one the folder of an attempt; False where that is to be made."""
        if not self._names and self._folder.exists():
            self._names = os.listdir(self._folder)
        while self._names:
            try:
                os.rename(self._folder / self._names.pop(), attempt)
            except FileNotFoundError:
                continue
            except OSError:
                return False  # the agent has laid the attempt out already
            return True
        return False

    def keep(self, attempt: Path) -> bool:
        """Put an ended attempt's folder by; False where it is to be removed.

        Only one in which nothing is, and that is as it was made: no attempt finds
        what another left.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            if len(os.listdir(self._folder)) >= MOST or not self._is_as_made(attempt):
                return False
            os.unlink(attempt / OUTPUT)
            os.rename(attempt, self._folder / attempt.name)
        except OSError:
            return False
        return True

    def _is_as_made(self, attempt: Path) -> bool:
        if set(os.listdir(attempt)) != {OUTPUT, *PARTS}:
            return False
        parts = [attempt / part for part in PARTS]
        made = _marks(self._folder)
        if any(_marks(each) != made for each in (attempt, *parts)):
            return False
        return not any(os.listdir(part) for part in parts)


def _marks(folder: Path) -> tuple[int, int, int]:
    """What a program may have changed of a folder."""
    found = os.lstat(folder)
    return found.st_mode, found.st_uid, found.st_gid
