"""The format of a job's log file: frames, each with its own checks."""

from __future__ import annotations

import mmap
import os
import struct
import zlib

import msgspec

# check of the rest, task, attempt number, offset, time, length, check of the bytes
_HEADER = struct.Struct("<IIIQdII")
_CHECKED = struct.Struct("<IIQdII")
HEADER_BYTES = _HEADER.size
LONGEST_FRAME = 64 * 1024  # bytes of output in one frame; bounds a page of a reader


class Frame(msgspec.Struct, frozen=True):
    """One piece of an attempt's output, and where it lies in the file."""

    position: int
    task: int
    number: int  # of the attempt
    offset: int  # within the attempt's output
    at: float
    length: int
    check: int

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.position + HEADER_BYTES + self.length


class Scan(msgspec.Struct, frozen=True):
    """What a whole file holds: the end of its last sound frame, bytes by attempt."""

    end: int
    have: dict[tuple[int, int], int]


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


def read_header(source: bytes | mmap.mmap, begin: int, position: int) -> Frame | None:
    """The frame whose header begins there, or None if none does."""
    if begin + HEADER_BYTES > len(source):
        return None
    check, *rest = _HEADER.unpack_from(source, begin)
    if check != zlib.crc32(_CHECKED.pack(*rest)):
        return None
    return Frame(position, *rest)


def scan_file(file: int) -> Scan:
    """Look at every frame of a file; stops at a torn one."""
    size = os.fstat(file).st_size
    if size == 0:
        return Scan(0, {})
    end, have = 0, {}
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as source:
        while (frame := read_header(source, end, end)) is not None:
            if frame.end > size or not _is_whole(source, frame, size):
                break
            have[frame.task, frame.number] = frame.offset + frame.length
            end = frame.end
    return Scan(end, have)


def _is_whole(source: mmap.mmap, frame: Frame, size: int) -> bool:
    if frame.end < size:
        return True  # only the last write can be torn
    return zlib.crc32(source[frame.position + HEADER_BYTES : frame.end]) == frame.check
