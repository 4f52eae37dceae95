"""The output of attempts: one append-only file for each job, and who waits for more.

Cursors are byte positions in the file. Files are opened for each append and read,
so none is held open; what an attempt has so far is kept in memory for the jobs used
last and found again by a scan. A write survives the end of the process at once;
against the loss of the machine it stands when the system wrote it out.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from iris.controller.frames import (
    HEADER_BYTES,
    LONGEST_FRAME,
    Frame,
    pack_frames,
    read_header,
    scan_file,
)
from iris.domain.views import LogLine
from iris.errors import StoreFailed, UsageError

PAGE_BYTES = 1 << 20  # of output in one page, give or take one frame
MOST_INDEXES = 4096  # jobs whose offsets are kept in memory
_LOG = logging.getLogger(__name__)


class Piece(msgspec.Struct, frozen=True):
    """Bytes of one attempt's output, as its worker sent them."""

    task: int
    number: int
    offset: int
    content: bytes


class LogFilter(msgspec.Struct, frozen=True):
    """Which output is asked for; None allows all."""

    task: int | None = None
    number: int | None = None  # of the attempt

    def takes(self, frame: Frame) -> bool:
        """Is the frame asked for?"""
        is_task = self.task in (None, frame.task)
        return is_task and self.number in (None, frame.number)


class LogStore:
    """Appends and reads the output of jobs. Thread-safe."""

    def __init__(self, folder: Path, most_indexes: int = MOST_INDEXES) -> None:
        self._folder = folder
        self._most_indexes = most_indexes
        self._stripes = tuple(threading.Lock() for _ in range(64))
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _JobFile] = OrderedDict()
        self._waiters: dict[str, set[threading.Event]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, job_uid: str, piece: Piece, at: float) -> int:
        """Keep what is new of a piece; returns how many bytes of it are there.

        A piece that begins beyond that is refused, and the answer says so.
        Raises StoreFailed.
        """
        with self._opened(job_uid) as file:
            have, grew = file.append(piece, at)
        if grew:
            self.wake(job_uid)
        return have

    def have(self, job_uid: str, task: int, number: int) -> int:
        """How many bytes of an attempt's output are there."""
        with self._opened(job_uid) as file:
            return file.have.get((task, number), 0)

    def end(self, job_uid: str) -> int:
        """The cursor behind the last line."""
        with self._opened(job_uid) as file:
            return file.end

    def read(
        self,
        job_uid: str,
        cursor: int,
        wanted: LogFilter,
        *,
        most_lines: int = 1000,
    ) -> tuple[tuple[LogLine, ...], int]:
        """Output from a cursor on, and the cursor to go on with.

        Raises UsageError for a cursor that was never handed out.
        """
        lines: list[LogLine] = []
        room = PAGE_BYTES
        frames = _frames(self._path(job_uid), cursor, self.end(job_uid))
        for frame, content in frames:
            cursor = frame.end
            if not wanted.takes(frame):
                continue
            lines.append(LogLine(cursor, frame.task, frame.number, frame.at, content))
            room -= len(content)
            if room <= 0 or len(lines) >= most_lines:
                break
        return tuple(lines), cursor

    def wait(self, job_uid: str, cursor: int, timeout: float) -> None:
        """Return when there is more than `cursor`, on `wake`, or after `timeout`."""
        event = threading.Event()
        with self._lock:
            self._waiters.setdefault(job_uid, set()).add(event)
        try:
            if self.end(job_uid) <= cursor:
                event.wait(timeout)
        finally:
            with self._lock:
                waiting = self._waiters[job_uid]
                waiting.discard(event)
                if not waiting:
                    del self._waiters[job_uid]

    def wake(self, job_uid: str) -> None:
        """Let those who wait for a job's output look again."""
        with self._lock:
            for event in self._waiters.get(job_uid, ()):
                event.set()

    def delete(self, job_uid: str) -> None:
        """Forget a job's output."""
        with self._opened(job_uid) as file, self._lock:
            self._files.pop(job_uid, None)
            file.path.unlink(missing_ok=True)

    @contextmanager
    def _opened(self, job_uid: str) -> Iterator[_JobFile]:
        """A job's file, alone; an index that was forgotten is found again."""
        with self._stripes[hash(job_uid) % len(self._stripes)]:
            with self._lock:
                file = self._files.pop(job_uid, None)
            if file is None:
                file = _JobFile(self._path(job_uid))
            with self._lock:
                self._files[job_uid] = file
                if len(self._files) > self._most_indexes:
                    self._files.popitem(last=False)
            yield file

    def _path(self, job_uid: str) -> Path:
        return self._folder / f"{job_uid}.log"


class _JobFile:
    """One job's file; `end` never passes a frame that is not whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = 0
        self.have: dict[tuple[int, int], int] = {}
        if path.exists():
            self._scan()

    def _scan(self) -> None:
        with _opened(self.path, os.O_RDWR) as file:
            scan = scan_file(file)
            size = os.fstat(file).st_size
            if size > scan.end:
                os.ftruncate(file, scan.end)
                _LOG.warning(
                    "torn log truncated file=%s from_bytes=%d to_bytes=%d",
                    *(self.path.name, size, scan.end),
                )
        self.end, self.have = scan.end, scan.have

    def append(self, piece: Piece, at: float) -> tuple[int, bool]:
        """Bytes of the attempt that are there now, and whether they became more."""
        key = (piece.task, piece.number)
        have = self.have.get(key, 0)
        fresh = piece.content[max(have - piece.offset, 0) :]
        if piece.offset > have or not fresh:
            return have, False
        self._write(pack_frames(*key, have, at, fresh))
        self.have[key] = have + len(fresh)
        return have + len(fresh), True

    def _write(self, frames: bytes) -> None:
        try:
            with _opened(self.path, os.O_WRONLY | os.O_CREAT) as file:
                try:
                    _write_at(file, frames, self.end)
                except OSError:
                    os.ftruncate(file, self.end)
                    raise
        except OSError as error:
            raise StoreFailed(f"cannot write {self.path}: {error.strerror}") from error
        self.end += len(frames)


def _frames(path: Path, cursor: int, end: int) -> Iterator[tuple[Frame, bytes]]:
    """Each frame from `cursor` on, with its bytes."""
    if cursor == end:
        return
    if not 0 <= cursor < end:
        raise UsageError(f"cursor: the log ends at {end}, got {cursor}")
    with _opened(path, os.O_RDONLY) as file:
        while cursor < end:
            block = os.pread(file, HEADER_BYTES + LONGEST_FRAME, cursor)
            frame = read_header(block, 0, cursor)
            if frame is None:
                raise UsageError(f"cursor: no line begins at {cursor}")
            yield frame, block[HEADER_BYTES : HEADER_BYTES + frame.length]
            cursor = frame.end


def _write_at(file: int, content: bytes, position: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(file, left, position)
        left, position = left[written:], position + written


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)
