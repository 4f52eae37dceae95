"""The keeper's journal: what started, and how it ended, one JSON line each.

Lines are written without fsync: they must survive the end of any process, and the
page cache does. A machine that crashes comes back under another boot id, and with
the process runtime its attempts have ended with it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from pathlib import Path

import msgspec

from iris.processes import started_at

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 20  # then a new one begins with what still runs
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry; `began` tells a pid from a later one of the same number."""

    event: str  # "starting", "started" or "ended"
    at: float
    uid: str
    pid: int = 0
    began: float = 0.0
    boot_id: str = ""
    exit_code: int | None = None


class Journal:
    """Appends lines, one write each; `journal.old` holds what was before."""

    def __init__(
        self, path: Path, boot_id: str = "", most_bytes: int = MOST_BYTES
    ) -> None:
        self._path = path
        self._boot_id = boot_id
        self._most_bytes = most_bytes
        self._handle = os.open(path, _FLAGS, 0o600)
        self._size = os.fstat(self._handle).st_size
        self._is_torn = False
        self._open: dict[str, bytes] = {}  # the last line of what has not ended

    def starting(self, uid: str, at: float) -> None:
        """What is about to start. Raises OSError: then it must not start."""
        self._write(Line("starting", at, uid))

    def started(self, uid: str, at: float, pid: int) -> None:
        """What just started; without this line its environment still tells."""
        began = started_at(pid) or 0.0
        line = Line("started", at, uid, pid, began, self._boot_id)
        self._open[uid] = msgspec.json.encode(line) + b"\n"
        self._try_to_write(line)

    def ended(self, uid: str, at: float, exit_code: int | None) -> None:
        """What ended, and how."""
        self._open.pop(uid, None)
        self._try_to_write(Line("ended", at, uid, exit_code=exit_code))

    def _try_to_write(self, line: Line) -> None:
        # a full disk must not end the keeper, and with it all that runs
        try:
            self._write(line)
            if self._size > self._most_bytes:
                self._begin_anew()
        except OSError as error:
            log.warning('journal lacks %s of %s: "%s"', line.event, line.uid, error)

    def _write(self, line: Line) -> None:
        # a line that a full disk tore must not take the next one with it
        content = b"\n" * self._is_torn + msgspec.json.encode(line) + b"\n"
        written = os.write(self._handle, content)
        self._size += written
        self._is_torn = written < len(content)
        if self._is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _begin_anew(self) -> None:
        """Keep the lines of what runs; at no moment is there no journal."""
        fresh, old = self._path.with_suffix(".new"), self._path.with_suffix(".old")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, _FLAGS, 0o600)
        try:
            size = os.write(handle, b"".join(self._open.values()))
            with contextlib.suppress(FileNotFoundError):
                old.unlink()
            os.link(self._path, old)
            fresh.replace(self._path)
        except OSError:
            os.close(handle)
            raise
        os.close(self._handle)
        self._handle, self._size = handle, size
