"""What a job prints, as it is asked for: of a task, of late, what matches."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from iris.client import Client
from iris.domain.views import JobView, LogLine
from iris.errors import NotThere, UsageError
from iris.probes._since import seconds_of
from iris.session import LOOK, Session


class Wanted(msgspec.Struct, frozen=True):
    """Which output of a job."""

    task: int | None = None
    attempt: int | None = None
    since: str = ""  # how long ago, such as 10m
    grep: str = ""  # whole lines that match this
    prefix: bool = False  # each with its task's name

    @property
    def wants_lines(self) -> bool:
        """Does it need whole lines, even of a single task?"""
        return bool(self.grep or self.prefix)


def require_sound(wanted: Wanted) -> None:
    """Before anybody is asked. Raises UsageError."""
    _pattern(wanted.grep)
    if wanted.attempt is not None and wanted.attempt < 0:
        raise UsageError(f"--attempt: expected 0 or more, got {wanted.attempt}")
    if wanted.since:
        seconds_of(wanted.since)


def read(session: Session, job: JobView, wanted: Wanted) -> Iterator[LogLine]:
    """The output as far as it is there."""
    with session.controller(LOOK) as client:
        _require_attempt(client, job, wanted)
        yield from _picked(_so_far(client, job, wanted), wanted)


def follow(session: Session, job: JobView, wanted: Wanted) -> Iterator[LogLine]:
    """The output as it comes, until the job or the task has ended."""
    with session.controller() as client:
        cursor = _cursor(client, job, wanted)
        pieces = client.follow_log(job.uid, cursor, wanted.task)
        ours = (p for p in pieces if wanted.attempt in (None, p.attempt))
        yield from _picked(ours, wanted)


def _require_attempt(client: Client, job: JobView, wanted: Wanted) -> None:
    """Of one task it is known which there are. Raises NotThere."""
    task = 0 if job.spec.tasks == 1 else wanted.task
    if wanted.attempt is None or task is None:
        return
    count = len(client.attempts(job.uid, task))
    if wanted.attempt >= count:
        had = ("no attempt", "one attempt: 0", f"attempts 0 to {count - 1}")
        raise NotThere(
            f"task {task} of job {job.name} has had {had[min(count, 2)]}",
            hint=f"`inv job.status {job.name}/{task}` shows them.",
        )


def _so_far(client: Client, job: JobView, wanted: Wanted) -> Iterator[LogLine]:
    cursor = _cursor(client, job, wanted)
    while True:
        task, attempt = wanted.task, wanted.attempt
        page = client.read_log(job.uid, cursor, task=task, attempt=attempt)
        yield from page.items
        if not page.items and page.cursor == cursor:
            return
        cursor = page.cursor


def _cursor(client: Client, job: JobView, wanted: Wanted) -> int:
    if not wanted.since:
        return 0
    return client.log_cursor(job.uid, seconds_of(wanted.since))


def _picked(pieces: Iterator[LogLine], wanted: Wanted) -> Iterator[LogLine]:
    """As it comes, or else as whole lines: those that match, with their names."""
    if not wanted.wants_lines:
        yield from pieces
        return
    pattern = _pattern(wanted.grep)
    held: dict[tuple[int, int], list[LogLine]] = {}
    for piece in pieces:
        key = (piece.task, piece.attempt)
        if b"\n" not in piece.content:
            held.setdefault(key, []).append(piece)
            continue
        whole, _, rest = piece.content.rpartition(b"\n")
        begun = b"".join(each.content for each in held.pop(key, ()))
        if rest:
            held[key] = [replace(piece, content=rest)]
        yield from _lines(replace(piece, content=begun + whole), pattern, wanted)
    for last in held.values():  # lines that nobody ended
        content = b"".join(each.content for each in last)
        yield from _lines(replace(last[-1], content=content), pattern, wanted)


def _lines(
    piece: LogLine, pattern: re.Pattern[str], wanted: Wanted
) -> Iterator[LogLine]:
    name = _name(piece) if wanted.prefix else b""
    for line in piece.content.split(b"\n"):
        if pattern.search(line.decode(errors="replace")):
            yield replace(piece, content=name + line + b"\n")


def _name(piece: LogLine) -> bytes:
    if piece.task < 0:  # said of many tasks
        return b""
    again = f" attempt {piece.attempt}" if piece.attempt else ""
    return f"task {piece.task}{again} | ".encode()


def _pattern(words: str) -> re.Pattern[str]:
    try:
        return re.compile(words)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"--grep: {words!r} is no regular expression: {error}",
            hint="A backslash before a sign takes it as it is.",
        ) from error
