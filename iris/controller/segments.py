"""The files of one job's log: `JOB.log`, then `JOB/POSITION` once that is full.

Only the last one grows. An older one may be rewritten without some of its frames;
what is left keeps its positions, so that cursors stay good. A crash at any line
leaves files that overlap at worst, and the later of two is the stale one then.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

import msgspec
from msgspec.structs import replace

from iris.controller.frames import (
    ALL_TASKS,
    GONE_BYTES,
    HEADER_BYTES,
    LONGEST_FRAME,
    Frame,
    Gone,
    Key,
    Reason,
    Record,
    pack_gone,
    read_record,
    scan_file,
)
from iris.errors import UsageError

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
DRAFT = ".new"  # what a crash may leave ends with it
_IN_PLACE = 4096  # bytes that one write puts over others, even on a full disk
_LOG = logging.getLogger(__name__)


class Segment(msgspec.Struct, frozen=True):
    """One file: the positions from `base` to `end`, in `size` bytes."""

    path: Path
    base: int
    end: int
    size: int
    has_frames: bool

    @property
    def is_raw(self) -> bool:
        """Does each position have its own byte?"""
        return self.size == self.end - self.base


class Moved(Exception):
    """The files are others by now: look again."""


def paths_of(folder: Path, job_uid: str) -> list[tuple[int, Path]]:
    """Where each file of a job's log begins, in order."""
    first, others = folder / f"{job_uid}.log", folder / job_uid
    found = [(0, first)] if first.exists() else []
    if others.is_dir():
        for path in sorted(others.iterdir()):
            if path.suffix == DRAFT:
                path.unlink(missing_ok=True)
            else:
                found.append((int(path.name, 16), path))
    return found


def next_path(folder: Path, job_uid: str, base: int) -> Path:
    """Where the file lies that begins at `base`; its folder is there."""
    if base == 0:
        return folder / f"{job_uid}.log"
    (folder / job_uid).mkdir(exist_ok=True)
    return folder / job_uid / f"{base:016x}"


def load_segment(path: Path, base: int, note: Callable[[Record], None]) -> Segment:
    """A file as it is, without a torn tail; `note` hears of each record."""
    end, sound, has_frames = base, 0, False
    with opened(path, os.O_RDWR) as file:
        for record in scan_file(file, base):
            note(record)
            end, sound = record.end, sound + record.size
            has_frames = has_frames or isinstance(record, Frame)
        size = os.fstat(file).st_size
        if size > sound:
            os.ftruncate(file, sound)
            _LOG.warning(
                "torn log truncated file=%s from_bytes=%d to_bytes=%d",
                *(path.name, size, sound),
            )
    return Segment(path, base, end, sound, has_frames)


def without(segment: Segment, key: Key, reason: Reason) -> tuple[Segment, int]:
    """The file without one attempt's frames, and how many bytes of output went."""
    parts: list[bytes] = []
    dropped, has_frames, last = 0, False, None
    for record, content in _records(segment):
        if isinstance(record, Frame) and record.key != key:
            parts.append(content)
            has_frames, last = True, None
            continue
        dropped += record.length if isinstance(record, Frame) else 0
        gone = _as_gone(record, reason)
        if last is not None and last.key == gone.key:
            gone = together(last, gone)
            parts.pop()
        parts.append(pack_gone(gone))
        last = gone
    if not dropped:
        return segment, 0
    content = b"".join(parts)
    _put(segment.path, content)
    return replace(segment, size=len(content), has_frames=has_frames), dropped


def collapse(
    segments: Sequence[Segment], reason: Reason
) -> tuple[Segment, Counter[Key]]:
    """One file that says for each attempt how much is gone; what went by this."""
    by_key: dict[Key, Gone] = {}
    dropped: Counter[Key] = Counter()
    for segment in segments:
        for record, _ in _records(segment):
            if isinstance(record, Frame):
                dropped[record.key] += record.length
            gone = _as_gone(record, reason)
            former = by_key.get(record.key)
            by_key[record.key] = together(former, gone) if former else gone
    return _in_place_of(segments, tuple(by_key.values())), dropped


def erase(
    segments: Sequence[Segment], length: int, reason: Reason
) -> tuple[Segment, Gone]:
    """One record in place of a whole log of `length` bytes."""
    span = segments[-1].end
    gone = Gone(0, ALL_TASKS, ALL_TASKS, 0, 0.0, length, span, reason.why, reason.bound)
    return _in_place_of(segments, (gone,)), gone


def walk(segments: Sequence[Segment], cursor: int) -> Iterator[tuple[Record, bytes]]:
    """Each record from `cursor` on, with its bytes.

    Raises UsageError for a cursor in the middle of a frame, Moved.
    """
    first = bisect_right(segments, cursor, key=attrgetter("base")) - 1
    for segment in segments[first:]:
        cursor = max(cursor, segment.base)
        yield from _walk(segment, cursor)


def write_at(path: Path, content: bytes, position: int) -> None:
    """Put bytes behind `position`; on a fault the file ends there. Raises OSError."""
    with opened(path, os.O_WRONLY | os.O_CREAT) as file:
        try:
            left = memoryview(content)
            while left:
                written = os.pwrite(file, left, position + len(content) - len(left))
                left = left[written:]
        except OSError:
            os.ftruncate(file, position)
            raise


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A file of its owner's alone."""
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _walk(segment: Segment, cursor: int) -> Iterator[tuple[Record, bytes]]:
    begin, position = 0, segment.base
    if segment.is_raw:
        begin, position = cursor - segment.base, cursor
    if position >= segment.end:
        return
    try:
        with opened(segment.path, os.O_RDONLY) as file:
            while position < segment.end:
                block = os.pread(file, HEADER_BYTES + LONGEST_FRAME, begin)
                record = read_record(block, 0, position)
                if record is None or len(block) < record.size:
                    raise Moved
                if record.position < cursor < record.end and isinstance(record, Frame):
                    raise UsageError(f"cursor: no line begins at {cursor}")
                if record.end > cursor:
                    yield record, block[HEADER_BYTES : record.size]
                begin, position = begin + record.size, record.end
    except FileNotFoundError as error:
        raise Moved from error


def _records(segment: Segment) -> Iterator[tuple[Record, bytes]]:
    """Every record of a file, with all that it is on disk."""
    with opened(segment.path, os.O_RDONLY) as file:
        if not segment.size:
            return
        begin, position = 0, segment.base
        with mmap.mmap(file, segment.size, access=mmap.ACCESS_READ) as source:
            while (record := read_record(source, begin, position)) is not None:
                yield record, source[begin : begin + record.size]
                begin, position = begin + record.size, record.end


def _as_gone(record: Record, reason: Reason) -> Gone:
    if isinstance(record, Gone):
        return record
    return Gone(
        *(record.position, record.task, record.number, record.offset, record.at),
        *(record.length, record.size, reason.why, reason.bound),
    )


def together(first: Gone, second: Gone) -> Gone:
    """An attempt's records in a row as one; the later reason stands."""
    return replace(
        second,
        position=first.position,
        offset=first.offset,
        length=first.length + second.length,
        span=first.span + second.span,
    )


def _in_place_of(segments: Sequence[Segment], records: Sequence[Gone]) -> Segment:
    """A file of records alone that has the positions of all the segments."""
    first, last = segments[0], segments[-1]
    _put(first.path, b"".join(map(pack_gone, records)))
    for segment in segments[1:]:
        segment.path.unlink(missing_ok=True)
    size = GONE_BYTES * len(records)
    return Segment(first.path, first.base, last.end, size, has_frames=False)


def _put(path: Path, content: bytes) -> None:
    """Put a file in place of one that is longer, in one step. Raises OSError."""
    draft = path.with_name(path.name + DRAFT)
    try:
        try:
            write_at(draft, content, 0)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in FULL_DISK or len(content) > _IN_PLACE:
            raise
        # no room for another file: what is behind the records is torn until it is cut
        with opened(path, os.O_WRONLY) as file:
            os.pwrite(file, content, 0)
            os.ftruncate(file, len(content))
