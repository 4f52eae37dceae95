"""The output of many tasks as lines, none of them torn by another's."""

from __future__ import annotations

import threading
from collections.abc import Callable

from iris.domain.views import LogLine


class Joiner:
    """Holds the end of each attempt's output back until its line is whole.

    The output of a single task passes as it comes, progress bars and all.
    """

    def __init__(self, tasks: int) -> None:
        self._tasks = tasks
        self._held: dict[tuple[int, int], bytes] = {}

    def add(self, piece: LogLine) -> bytes:
        """What can be written by now."""
        if self._tasks == 1:
            return piece.content
        key = (piece.task, piece.attempt)
        whole, newline, rest = piece.content.rpartition(b"\n")
        if not newline:
            self._held[key] = self._held.get(key, b"") + rest
            return b""
        held = self._held.pop(key, b"")
        if rest:
            self._held[key] = rest
        return held + whole + newline

    def rest(self) -> bytes:
        """Last lines that were never ended; each gets an end."""
        held = [self._held[key] + b"\n" for key in sorted(self._held)]
        self._held.clear()
        return b"".join(held)


class Lines:
    """Output that comes in pieces, passed on as whole lines with a name before each."""

    def __init__(
        self, name: bytes, write: Callable[[bytes], None], lock: threading.Lock
    ) -> None:
        self._name = name
        self._write = write
        self._lock = lock
        self._rest = b""

    def add(self, piece: bytes) -> None:
        """Pass on the lines that are whole by now."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        said = b"".join(self._name + line + b"\n" for line in whole)
        if said:
            with self._lock:
                self._write(said)

    def end(self) -> None:
        """Pass on a last line that nobody ended."""
        if self._rest:
            self.add(b"\n")
