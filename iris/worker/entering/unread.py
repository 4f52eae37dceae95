"""What was typed into a visit and is not read yet: little in memory, the rest on disk.

A visitor whose words wait elsewhere would not be heard: neither Ctrl-C nor the end of
the line. What a full disk does not take is kept in memory, and is the last for now.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MOST_IN_MEMORY = 8 << 20  # bytes
MOST = 1 << 30  # bytes on disk
PIECE = 1 << 20  # bytes that come back at once


class Unread:
    """A line of bytes: in at its end, out at its beginning."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self._folder = folder
        self._most = most
        self._first = bytearray()
        self._file = -1  # what comes behind that, round and round; it has no name
        self._begin = self._end = 0  # of what is in it, as if it were endless
        self._last = bytearray()  # what comes behind the file

    def __bool__(self) -> bool:
        return bool(self._first)

    @property
    def is_full(self) -> bool:
        """Should nothing be added for the moment?"""
        return self._end - self._begin >= self._most or bool(self._last)

    def add(self, content: bytes) -> None:
        """Put more at its end."""
        if self._last:
            self._last += content
        elif not self._end and len(self._first) < MOST_IN_MEMORY:
            self._first += content
        elif not self._is_written(content):
            self._last += content

    def first(self, most: int) -> bytearray:
        """What is to be read next; empty where nothing is."""
        return self._first[:most]

    def drop(self, count: int) -> None:
        """So much of that was read."""
        del self._first[:count]
        if not self._first and self._begin < self._end:
            at = self._begin % self._most
            most = min(PIECE, self._end - self._begin, self._most - at)
            self._first += os.pread(self._file, most, at)
            self._begin += len(self._first)
        if self._begin == self._end:
            self._empty_file()
            self._first += self._last
            self._last.clear()

    def clear(self) -> None:
        """Nobody will read it."""
        self._first.clear()
        self._last.clear()
        self._empty_file()

    def _empty_file(self) -> None:
        self._begin = self._end = 0
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_written(self, content: bytes) -> bool:
        """False where the disk, or the bound, has no room."""
        left = memoryview(content)
        if self._end - self._begin + len(left) > self._most:
            return False
        try:
            if self._file < 0:
                self._file, name = tempfile.mkstemp(dir=self._folder)
                os.unlink(name)
            while left:
                at = (self._end + len(content) - len(left)) % self._most
                left = left[os.pwrite(self._file, left[: self._most - at], at) :]
        except OSError:
            return False
        self._end += len(content)
        return True
