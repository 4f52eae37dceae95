"""The mark of a rehearsal on every line, so that nobody takes it for the cloud.

JSON on stdout stays as the API gives it: its lines beside the answer are marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iris.session import Session

MARK = "rehearsal | "


class _Marks:
    """Whether this command is about a rehearsal; a process runs one command."""

    are_on = False


def open_session(config: str | None = None, cluster: str | None = None) -> Session:
    """The cluster that is meant; from here on a rehearsal's lines are marked."""
    from iris import session

    opened = session.open_session(config, cluster)
    mark_lines(opened.record is not None and opened.record.rehearsal)
    return opened


def mark_lines(of_a_rehearsal: bool) -> None:
    """Mark what is printed from here on, or not."""
    _Marks.are_on = of_a_rehearsal


def marked(text: str) -> str:
    """The text as it is printed."""
    if not _Marks.are_on:
        return text
    return "\n".join(f"{MARK}{line}".rstrip() for line in text.split("\n"))


class MarkedOutput:
    """Output of tasks, which comes in pieces and need not be text."""

    def __init__(self) -> None:
        self._begins_line = True

    def add(self, content: bytes) -> bytes:
        """The piece as it is printed."""
        if not _Marks.are_on or not content:
            return content
        mark = MARK.encode()
        body, rest = content[:-1], content[-1:]
        head = mark if self._begins_line else b""
        self._begins_line = rest == b"\n"
        return head + body.replace(b"\n", b"\n" + mark) + rest
