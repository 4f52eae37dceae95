"""What a keeper knows of its attempts, on disk, for a keeper that comes after it.

A file for each attempt, replaced whole. Not synced, as in iris/worker/journal.py:
it has to outlive processes; a machine that crashed has lost its attempts too.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from iris.worker.folders import write_private
from iris.worker.messages import Known


class KeptAttempts:
    """The folder `known` of a VM."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, known: Known) -> None:
        """Remember an attempt as it stands. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_private(self._folder / known.spec.uid, msgspec.msgpack.encode(known))

    def drop(self, uid: str) -> None:
        """Nobody asks for it any more."""
        with contextlib.suppress(OSError):
            (self._folder / uid).unlink()

    def find(self, uid: str) -> Known | None:
        """One of them, as it stands."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return _read(self._folder / uid)
        return None

    def all(self) -> list[Known]:
        """Those that can be read; half a file is of an attempt that never started."""
        found = []
        for path in self._folder.glob("*"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found.append(_read(path))
        return found


def _read(path: Path) -> Known:
    return msgspec.msgpack.decode(path.read_bytes(), type=Known)
