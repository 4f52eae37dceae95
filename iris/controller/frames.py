"""The format of a job's log: frames, each with its own checks, and what is gone.

A record has a position in the job's log that it keeps for ever. A frame's is as long
as it is on disk; what is gone may have been longer than the record that says so.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator

import msgspec

from iris.domain.retention import WhyGone

# check of the rest, task, attempt number, offset, time, length, check of the bytes
_HEADER = struct.Struct("<IIIQdII")
_CHECKED = struct.Struct("<IIQdII")
HEADER_BYTES = _HEADER.size
LONGEST_FRAME = 64 * 1024  # bytes of output in one frame; bounds a page of a reader

# check of the rest, task, attempt number, offset, time, bytes, span, why, the bound
_GONE = struct.Struct("<IIIQdQQIQ")
_GONE_CHECKED = struct.Struct("<IIQdQQIQ")
_GONE_MARK = 0x676F6E65  # differs the check of such a record from that of a frame
GONE_BYTES = _GONE.size
ALL_TASKS = 0xFFFF_FFFF  # as task and number: of every attempt

Key = tuple[int, int]  # a task and the number of an attempt at it


class Frame(msgspec.Struct, frozen=True):
    """One piece of an attempt's output, and where it lies in the job's log."""

    position: int
    task: int
    number: int  # of the attempt
    offset: int  # within the attempt's output
    at: float
    length: int
    check: int

    @property
    def key(self) -> Key:
        return self.task, self.number

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return HEADER_BYTES + self.length

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.position + HEADER_BYTES + self.length


class Gone(msgspec.Struct, frozen=True):
    """What stands where output of an attempt was, or would have been."""

    position: int
    task: int
    number: int
    offset: int
    at: float
    length: int  # bytes of output that are gone
    span: int  # from its position to the next record's
    why: int  # a WhyGone
    bound: int  # bytes, where a bound was the reason

    @property
    def key(self) -> Key:
        return self.task, self.number

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return GONE_BYTES

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.position + self.span


Record = Frame | Gone


class Reason(msgspec.Struct, frozen=True):
    """Why output goes, and the bound that it was above, 0 without one."""

    why: WhyGone
    bound: int = 0


def pack_frames(
    task: int, number: int, offset: int, at: float, content: bytes
) -> bytes:
    """The bytes of as many frames as `content` needs."""
    parts = []
    for begin in range(0, len(content), LONGEST_FRAME):
        piece = content[begin : begin + LONGEST_FRAME]
        rest = (task, number, offset + begin, at, len(piece), zlib.crc32(piece))
        parts += [_HEADER.pack(zlib.crc32(_CHECKED.pack(*rest)), *rest), piece]
    return b"".join(parts)


def pack_gone(gone: Gone) -> bytes:
    """The bytes of a record of what is gone."""
    rest = (
        *(gone.task, gone.number, gone.offset, gone.at),
        *(gone.length, gone.span, gone.why, gone.bound),
    )
    return _GONE.pack(zlib.crc32(_GONE_CHECKED.pack(*rest), _GONE_MARK), *rest)


def read_record(source: bytes | mmap.mmap, begin: int, position: int) -> Record | None:
    """The record that begins there, or None if none does."""
    if begin + HEADER_BYTES > len(source):
        return None
    check, *rest = _HEADER.unpack_from(source, begin)
    if check == zlib.crc32(_CHECKED.pack(*rest)):
        return Frame(position, *rest)
    if begin + GONE_BYTES > len(source):
        return None
    check, *rest = _GONE.unpack_from(source, begin)
    if check == zlib.crc32(_GONE_CHECKED.pack(*rest), _GONE_MARK):
        return Gone(position, *rest)
    return None


def scan_file(file: int, base: int) -> Iterator[Record]:
    """Every record of a file whose first position is `base`; stops at a torn one."""
    size = os.fstat(file).st_size
    if size == 0:
        return
    begin, position = 0, base
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as source:
        while (record := read_record(source, begin, position)) is not None:
            begin += record.size
            if begin > size or not _is_whole(source, record, begin):
                return
            yield record
            position = record.end


def _is_whole(source: mmap.mmap, record: Record, end: int) -> bool:
    if end < len(source) or isinstance(record, Gone):
        return True  # only the last write can be torn
    return zlib.crc32(source[end - record.length : end]) == record.check
