"""Places in a job's log that are found without reading all of it.

By time: the file by its first record, then the record by its header. The end of one
attempt's output: from the last file backwards.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from iris.controller.frames import HEADER_BYTES, Frame, Key, Record, read_record
from iris.controller.segments import Moved, Segment, opened
from iris.domain.views import LogLine


def position_at(segments: Sequence[Segment], at: float) -> int:
    """Where the first record lies that is not older; the end if all are. Raises Moved.

    A clock that was set back may have put a later one before it.
    """
    if not segments:
        return 0
    place = max(bisect_left(segments, at, key=_began_at) - 1, 0)
    with _mapped(segments[place]) as source:
        for record, _ in _records(segments[place], source):
            if record.at >= at:
                return record.position
    return segments[place].end


def last_of(
    segments: Sequence[Segment], key: Key, most_bytes: int
) -> tuple[LogLine, ...]:
    """The last frames of an attempt with so many bytes, if it has as many.

    Raises Moved.
    """
    found: list[LogLine] = []
    room = most_bytes
    for segment in reversed(segments):
        lines, is_first = _last_in(segment, key, room)
        found = lines + found
        room -= sum(len(line.content) for line in lines)
        if room <= 0 or is_first:
            break
    return tuple(found)


def _last_in(segment: Segment, key: Key, most_bytes: int) -> tuple[list[LogLine], bool]:
    """What one file has of it, and whether the attempt's output begins there."""
    if not segment.has_frames:
        return [], False
    frames: deque[tuple[Frame, int]] = deque()
    size, is_first = 0, False
    with _mapped(segment) as source:
        for record, begin in _records(segment, source):
            if not isinstance(record, Frame) or record.key != key:
                continue
            is_first = is_first or record.offset == 0
            frames.append((record, begin + HEADER_BYTES))
            size += record.length
            while size - frames[0][0].length >= most_bytes:
                size -= frames.popleft()[0].length
        lines = [
            LogLine(f.end, f.task, f.number, f.at, source[begin : begin + f.length])
            for f, begin in frames
        ]
    return lines, is_first


def _began_at(segment: Segment) -> float:
    with _mapped(segment) as source:
        return next((record.at for record, _ in _records(segment, source)), 0.0)


@contextmanager
def _mapped(segment: Segment) -> Iterator[mmap.mmap | bytes]:
    try:
        with opened(segment.path, os.O_RDONLY) as file:
            if os.fstat(file).st_size < segment.size:
                raise Moved
            if not segment.size:
                yield b""
                return
            with mmap.mmap(file, segment.size, access=mmap.ACCESS_READ) as source:
                yield source
    except FileNotFoundError as error:
        raise Moved from error


def _records(
    segment: Segment, source: mmap.mmap | bytes
) -> Iterator[tuple[Record, int]]:
    """Each record, and where it begins in the file: headers alone are read."""
    begin, position = 0, segment.base
    while (record := read_record(source, begin, position)) is not None:
        yield record, begin
        begin, position = begin + record.size, record.end
