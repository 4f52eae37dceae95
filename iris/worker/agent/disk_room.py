"""Disk that attempts of one VM asked for: what one has, no other is promised."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from iris.domain.preparing import words_of_lack
from iris.errors import Busy
from iris.worker.agent.caches import Caches
from iris.worker.agent.desk import Held
from iris.worker.folders import VmFolder


class DiskRoom:
    """What is promised and not filled yet. Thread-safe."""

    def __init__(self, folder: VmFolder, caches: Caches) -> None:
        self._folder = folder
        self._caches = caches
        self._lock = threading.Lock()

    def promise(self, held: Held) -> None:
        """What it asked for, until it ends. Raises Busy where the disk has less."""
        wanted = held.spec.disk_bytes if held.spec else 0
        if not wanted:
            held.has_disk = True
            return
        with self._lock:
            beside = [each for each in self._caches.desk.all() if each is not held]
            others = sum(map(self._owed, beside))
            free = self._caches.make_room(wanted + others)
            if free < wanted + others:
                raise Busy(words_of_lack(free, wanted, others))
            held.has_disk = True

    def _owed(self, held: Held) -> int:
        """An attempt that has started had it, also before a new agent came."""
        spec = held.spec
        is_promised = held.has_disk or held.is_started
        if spec is None or not spec.disk_bytes or held.has_ended or not is_promised:
            return 0
        return max(spec.disk_bytes - _filled(self._folder.attempt(held.uid)), 0)


def _filled(folder: Path) -> int:
    """Bytes on the disk of every file below; each is there once, whatever its names."""
    sizes: dict[tuple[int, int], int] = {}
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                stat = os.lstat(os.path.join(here, name))
            except OSError:
                continue
            sizes[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(sizes.values())
