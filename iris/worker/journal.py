"""The keeper's journal: what started, and how it ended, one JSON line each.

Lines are written without fsync: they must survive the end of any process, and the
page cache does. A machine that crashes comes back under another boot id, and with
the process runtime its attempts have ended with it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from iris.processes import started_at


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry; `began` tells a pid from a later one of the same number."""

    event: str  # "starting", "started" or "ended"
    at: float
    uid: str
    pid: int = 0
    began: float = 0.0
    exit_code: int | None = None


class Journal:
    """Appends lines; one write each."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(path, flags, 0o600)

    def starting(self, uid: str, at: float) -> None:
        self._write(Line("starting", at, uid))

    def started(self, uid: str, at: float, pid: int) -> None:
        self._write(Line("started", at, uid, pid, started_at(pid) or 0.0))

    def ended(self, uid: str, at: float, exit_code: int | None) -> None:
        self._write(Line("ended", at, uid, exit_code=exit_code))

    def _write(self, line: Line) -> None:
        os.write(self._handle, msgspec.json.encode(line) + b"\n")
