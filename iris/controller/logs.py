"""The output of attempts: a log for each job, and who waits for more.

Cursors are positions that stay good when older output goes: a reader meets a line
that says how much is gone, and why. Files are opened for each append and read, so
none is held open; what an attempt has sent so far is kept in memory for the jobs used
last and found again by a scan. A write survives the end of the process at once;
against the loss of the machine it stands when the system wrote it out.
"""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from iris.controller.frames import Reason, Record
from iris.controller.job_log import JobLog, Piece, Room
from iris.controller.log_page import LogFilter, LogPageMaker
from iris.controller.log_search import last_of, position_at
from iris.controller.segments import DRAFT, Moved, Segment, walk
from iris.domain.retention import words_of_removal
from iris.domain.views import LogLine
from iris.errors import StoreFailed, UsageError

__all__ = ["LogFilter", "LogStore", "Piece"]

MOST_INDEXES = 4096  # jobs whose offsets are kept in memory
_LOOKS = 3  # at files that are rewritten meanwhile


class LogStore:
    """Appends and reads the output of jobs. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        room: Room | None = None,
        *,
        most_indexes: int = MOST_INDEXES,
    ) -> None:
        self._folder = folder
        self._room = room or Room()
        self._most_indexes = most_indexes
        self._stripes = tuple(threading.Lock() for _ in range(64))
        self._lock = threading.Lock()
        self._logs: OrderedDict[str, JobLog] = OrderedDict()
        self._waiters: dict[str, set[threading.Event]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._sizes = _sizes_in(folder)

    def append(self, job_uid: str, piece: Piece, at: float) -> int:
        """Take what is new of a piece; returns how many bytes of it came so far.

        A piece that begins beyond that is refused, and the answer says so. What is
        above a bound, or finds the disk full, counts as come. Raises StoreFailed.
        """
        with self._opened(job_uid) as log:
            have, grew = log.append(piece, at)
            with self._lock:
                self._sizes[job_uid] = log.size
        if grew:
            self.wake(job_uid)
        return have

    def have(self, job_uid: str, task: int, number: int) -> int:
        """How many bytes of an attempt's output came so far."""
        with self._opened(job_uid) as log:
            return log.have.get((task, number), 0)

    def end(self, job_uid: str) -> int:
        """The cursor behind the last line."""
        with self._opened(job_uid) as log:
            return log.end

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
        page = LogPageMaker(cursor, wanted, most_lines)
        for _ in range(_LOOKS):
            try:
                for record, content in _walk(self._layout(job_uid), page.cursor):
                    page.add(record, content)
                    if page.is_full:
                        break
            except Moved:
                continue
            return page.lines(), page.cursor
        raise UsageError(f"cursor: no line begins at {page.cursor}")

    def position_at(self, job_uid: str, at: float) -> int:
        """The cursor of the first output that is not older."""
        for _ in range(_LOOKS):
            with suppress(Moved):
                return position_at(self._layout(job_uid), at)
        return 0

    def last_of(
        self, job_uid: str, task: int, number: int, most_bytes: int
    ) -> tuple[LogLine, ...]:
        """The end of an attempt's output, without reading what is before it."""
        for _ in range(_LOOKS):
            with suppress(Moved):
                return last_of(self._layout(job_uid), (task, number), most_bytes)
        return ()

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

    # -- what goes -------------------------------------------------------------------

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each job's log."""
        with self._lock:
            return dict(self._sizes)

    def erase(self, job_uid: str, reason: Reason) -> int:
        """Let an ended job's output go but a line that says so; the bytes freed."""
        with self._opened(job_uid) as log:
            freed = log.erase(reason)
            with self._lock:
                self._sizes[job_uid] = log.size
        return freed

    def gone(self, job_uid: str) -> str:
        """Why a job's output was erased; empty where it was not."""
        with self._opened(job_uid) as log:
            gone = log.erased
        if gone is None:
            return ""
        return words_of_removal("log", gone.length, gone.why, gone.bound)

    def say_lost(self) -> None:
        """Leave lines of what a full disk swallowed, where that is possible."""
        with self._lock:
            uids = [uid for uid, log in self._logs.items() if log.has_unsaid]
        for uid in uids:
            with self._opened(uid) as log:
                log.say_lost()
            self.wake(uid)

    def delete(self, job_uid: str) -> None:
        """Forget a job's output."""
        with self._opened(job_uid), self._lock:
            self._logs.pop(job_uid, None)
            self._sizes.pop(job_uid, None)
            shutil.rmtree(self._folder / job_uid, ignore_errors=True)
            (self._folder / f"{job_uid}.log").unlink(missing_ok=True)

    def _layout(self, job_uid: str) -> tuple[Segment, ...]:
        with self._opened(job_uid) as log:
            return tuple(log.segments)

    @contextmanager
    def _opened(self, job_uid: str) -> Iterator[JobLog]:
        """A job's log, alone; an index that was forgotten is found again."""
        with self._stripes[hash(job_uid) % len(self._stripes)]:
            with self._lock:
                log = self._logs.pop(job_uid, None)
            if log is None:
                log = self._load(job_uid)
            with self._lock:
                self._logs[job_uid] = log
                if len(self._logs) > self._most_indexes:
                    self._logs.popitem(last=False)
            yield log

    def _load(self, job_uid: str) -> JobLog:
        try:
            return JobLog(self._folder, job_uid, self._room)
        except OSError as error:
            words = f"cannot read the log of job {job_uid}: {error.strerror}"
            raise StoreFailed(words) from error


def _walk(segments: tuple[Segment, ...], cursor: int) -> Iterator[tuple[Record, bytes]]:
    end = segments[-1].end if segments else 0
    if cursor == end:
        return iter(())
    if not 0 <= cursor < end:
        raise UsageError(f"cursor: the log ends at {end}, got {cursor}")
    return walk(segments, cursor)


def _sizes_in(folder: Path) -> dict[str, int]:
    """Bytes of each job's files; drafts that a crash left go."""
    sizes: dict[str, int] = {}
    for path in folder.iterdir():
        if path.suffix == DRAFT:
            path.unlink(missing_ok=True)
        elif path.is_dir():
            inside = sum(each.stat().st_size for each in path.iterdir())
            sizes[path.name] = sizes.get(path.name, 0) + inside
        elif path.suffix == ".log":
            sizes[path.stem] = sizes.get(path.stem, 0) + path.stat().st_size
    return sizes
