"""What a reader of a job's log gets: pieces of output, and lines for what is gone."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from iris.controller.frames import ALL_TASKS, Frame, Gone, Record
from iris.domain.retention import words_of_gone
from iris.domain.views import LogLine

PAGE_BYTES = 1 << 20  # of output in one page, give or take one frame
_SEVERAL = -1  # as task and attempt of a line


class LogFilter(msgspec.Struct, frozen=True):
    """Which output is asked for; None allows all."""

    task: int | None = None
    number: int | None = None  # of the attempt

    def takes(self, record: Record) -> bool:
        """Is the record asked for?"""
        if record.task == ALL_TASKS:
            return True
        is_task = self.task in (None, record.task)
        return is_task and self.number in (None, record.number)


class LogPageMaker:
    """One page in the making; what is gone in a row becomes one line."""

    def __init__(self, cursor: int, wanted: LogFilter, most_lines: int) -> None:
        self.cursor = cursor
        self._is_midway = cursor > 0  # the reader had what lies before it
        self._wanted = wanted
        self._most_lines = most_lines
        self._room = PAGE_BYTES
        self._lines: list[LogLine] = []
        self._hole: Gone | None = None

    @property
    def is_full(self) -> bool:
        return self._room <= 0 or len(self._lines) >= self._most_lines

    def add(self, record: Record, content: bytes) -> None:
        """The next record of the log."""
        self.cursor = record.end
        if not self._wanted.takes(record):
            return
        if isinstance(record, Frame):
            self._close_hole()
            named = record.task, record.number, record.at
            self._lines.append(LogLine(record.end, *named, content))
            self._room -= record.length
        elif self._hole is None:
            self._hole = record
        else:
            self._hole = _together(self._hole, record)

    def lines(self) -> tuple[LogLine, ...]:
        """All of the page."""
        self._close_hole()
        return tuple(self._lines)

    def _close_hole(self) -> None:
        gone, self._hole = self._hole, None
        if gone is None:
            return
        task, number = gone.key
        if ALL_TASKS in gone.key:
            task = number = _SEVERAL
        words = words_of_gone(gone.length, gone.why, gone.bound)
        newline = "\n" if self._may_cut_a_line(gone) else ""
        content = f"{newline}{words}\n".encode()
        self._lines.append(LogLine(gone.end, task, number, gone.at, content))

    def _may_cut_a_line(self, gone: Gone) -> bool:
        """May what the reader had last have ended in the middle of one?

        What is gone begins where the file did, which may be before all that he had.
        """
        if self._lines:
            return gone.offset > 0 or not self._lines[-1].content.endswith(b"\n")
        return self._is_midway or gone.offset > 0


def _together(first: Gone, second: Gone) -> Gone:
    task, number = second.key if first.key == second.key else (ALL_TASKS, ALL_TASKS)
    return replace(
        second,
        task=task,
        number=number,
        offset=min(first.offset, second.offset),
        length=first.length + second.length,
    )
