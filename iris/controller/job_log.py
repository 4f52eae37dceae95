"""One job's log within its bounds: what is above them goes, the oldest first.

The bytes that an attempt has sent are counted whether they are kept or not, so that
its worker never sends them again. What goes, or cannot be kept since the disk is
full, leaves a record in its place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path

import msgspec
from msgspec.structs import replace

from iris.controller.frames import (
    ALL_TASKS,
    GONE_BYTES,
    LONGEST_FRAME,
    Gone,
    Key,
    Reason,
    Record,
    pack_frames,
    pack_gone,
)
from iris.controller.segments import (
    FULL_DISK,
    Segment,
    collapse,
    erase,
    load_segment,
    next_path,
    paths_of,
    together,
    without,
    write_at,
)
from iris.domain.retention import WhyGone
from iris.errors import StoreFailed

_LONGEST_SEGMENT = 16 << 20  # bytes
_SHORTEST_SEGMENT = 1 << 10
_SEGMENTS_IN_A_BOUND = 8  # what goes at a time is an eighth of the bound
_UNSAID = 64 << 10  # bytes that a full disk swallows between two records of it


class Piece(msgspec.Struct, frozen=True):
    """Bytes of one attempt's output, as its worker sent them."""

    task: int
    number: int
    offset: int
    content: bytes
    refused: int = 0  # bytes in place of content, which the controller did not take


class LogBounds(msgspec.Struct, frozen=True):
    """How much of the output of live jobs is kept, in bytes."""

    per_task: int = 10**9  # of one attempt
    per_job: int = 5 * 10**9

    @property
    def segment(self) -> int:
        """How long a file grows."""
        share = min(self.per_task, self.per_job) // _SEGMENTS_IN_A_BOUND
        return min(max(share, _SHORTEST_SEGMENT), _LONGEST_SEGMENT)


class Room(msgspec.Struct, frozen=True):
    """What logs may take, and who is told how much of them goes."""

    bounds: LogBounds = LogBounds()
    may_write: Callable[[], bool] = lambda: True
    dropped: Callable[[WhyGone, int], None] = lambda why, length: None


class JobLog:
    """The files of one job; for one thread at a time."""

    def __init__(self, folder: Path, job_uid: str, room: Room) -> None:
        self._folder = folder
        self._job_uid = job_uid
        self._room = room
        self._longest = room.bounds.segment
        self.segments: list[Segment] = []
        self.have: dict[Key, int] = {}
        self._gone: dict[Key, int] = {}  # bytes, of those that lost some
        self._clean_to: dict[Key, int] = {}  # no frame of the attempt is below
        self._unsaid: dict[Key, Gone] = {}  # lost, and no record says so yet
        self.erased: Gone | None = None  # all of it
        self._swallowing: set[Key] = set()  # a full disk, since the last frame
        self._load()

    @property
    def end(self) -> int:
        """The cursor behind the last record."""
        return self.segments[-1].end if self.segments else 0

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self.segments)

    @property
    def has_unsaid(self) -> bool:
        """Is something lost that no record says?"""
        return bool(self._unsaid)

    def append(self, piece: Piece, at: float) -> tuple[int, bool]:
        """Bytes of the attempt that came so far, and whether there is more to read.

        Raises StoreFailed.
        """
        key, end = (piece.task, piece.number), self.end
        have = self.have.get(key, 0)
        fresh = piece.content[max(have - piece.offset, 0) :]
        refused = piece.offset + piece.refused - have
        if piece.offset <= have and fresh:
            self._take(key, fresh, at)
            self._keep_within_bounds(key)
        elif piece.offset <= have and refused > 0:
            self._lose(key, refused, at, WhyGone.REFUSED)
        return self.have.get(key, 0), self.end > end

    def say_lost(self) -> None:
        """Leave records of what a full disk swallowed, where that is possible."""
        for key in list(self._unsaid):
            self._tried(partial(self._say, key))

    def erase(self, reason: Reason) -> int:
        """Let all of it go but one record of that; returns the bytes that went."""
        length, size = sum(self.have.values()), self.size
        if not self.segments or not any(each.has_frames for each in self.segments):
            return 0
        self._room.dropped(reason.why, length)
        segment, self.erased = erase(self.segments, length, reason)
        self.segments = [segment]
        self._unsaid.clear()
        return size - self.size

    # -- in --------------------------------------------------------------------------

    def _take(self, key: Key, fresh: bytes, at: float) -> None:
        have = self.have.get(key, 0)
        is_kept = self._room.may_write() and self._tried(
            lambda: self._write(key, fresh, at)
        )
        if not is_kept:
            written = self.have.get(key, 0) - have
            self._lose(key, len(fresh) - written, at, WhyGone.DISK_FULL)

    def _write(self, key: Key, fresh: bytes, at: float) -> None:
        if key in self._unsaid:
            self._say(key)
        self._swallowing.discard(key)
        begin = 0
        while begin < len(fresh):
            full = begin + self._longest - self._tail().size
            # better between two lines than in one
            end = fresh.find(b"\n", full - 1, full + LONGEST_FRAME) + 1 or full
            part = fresh[begin:end]
            have = self.have.get(key, 0)
            self._put(pack_frames(*key, have, at, part), has_frames=True)
            self.have[key] = have + len(part)
            begin = end

    def _lose(self, key: Key, length: int, at: float, why: WhyGone) -> None:
        """Count what cannot be kept as had, and say so now and then."""
        have = self.have.get(key, 0)
        lost = Gone(0, *key, have, at, length, 0, why, 0)
        former = self._unsaid.get(key)
        lost = self._unsaid[key] = together(former, lost) if former else lost
        self.have[key] = have + length
        self._gone[key] = self._gone.get(key, 0) + length
        self._room.dropped(why, length)
        if key not in self._swallowing or lost.length >= _UNSAID:
            self._swallowing.add(key)
            self._tried(lambda: self._say(key))

    def _say(self, key: Key) -> None:
        lost = replace(self._unsaid[key], span=GONE_BYTES)
        self._put(pack_gone(lost), has_frames=False)
        del self._unsaid[key]

    def _put(self, content: bytes, *, has_frames: bool) -> None:
        tail = self._tail()
        write_at(tail.path, content, tail.size)
        self.segments[-1] = replace(
            tail,
            end=tail.end + len(content),
            size=tail.size + len(content),
            has_frames=tail.has_frames or has_frames,
        )

    def _tail(self) -> Segment:
        """The file that grows."""
        tail = self.segments[-1] if self.segments else None
        if tail is None or not tail.is_raw or tail.size >= self._longest:
            path = next_path(self._folder, self._job_uid, self.end)
            tail = Segment(path, self.end, self.end, 0, has_frames=False)
            self.segments.append(tail)
        return tail

    # -- out -------------------------------------------------------------------------

    def _keep_within_bounds(self, key: Key) -> None:
        bounds = self._room.bounds
        of_task = Reason(WhyGone.TASK_BOUND, bounds.per_task)
        of_job = Reason(WhyGone.JOB_BOUND, bounds.per_job)
        while self.have[key] - self._gone.get(key, 0) > bounds.per_task:
            if not self._tried(partial(self._drop_oldest_of, key, of_task)):
                break
        while self.size > bounds.per_job:
            if not self._tried(partial(self._drop_oldest, of_job)):
                break

    def _drop_oldest_of(self, key: Key, reason: Reason) -> bool:
        """Let an attempt's frames go from the first file that has some."""
        clean_to = self._clean_to.get(key, 0)
        first = bisect_right(self.segments, clean_to, key=attrgetter("base")) - 1
        for place in range(max(first, 0), len(self.segments) - 1):
            former = self.segments[place]
            segment, dropped = without(former, key, reason)
            self._clean_to[key] = former.end
            if dropped:
                self._settle(place, segment, {key: dropped}, reason)
                return True
        return False

    def _drop_oldest(self, reason: Reason) -> bool:
        """Let all frames of the first file go that has some."""
        for place, former in enumerate(self.segments[:-1]):
            if former.has_frames:
                segment, dropped = collapse((former,), reason)
                self._settle(place, segment, dropped, reason)
                return True
        return False

    def _settle(
        self, place: int, segment: Segment, dropped: Mapping[Key, int], reason: Reason
    ) -> None:
        for key, length in dropped.items():
            self._gone[key] = self._gone.get(key, 0) + length
            self._room.dropped(reason.why, length)
        self.segments[place] = segment
        pair = self.segments[max(place - 1, 0) : place + 1]
        if len(pair) == 2 and not any(each.has_frames for each in pair):
            joined, _ = collapse(pair, reason)
            self.segments[place - 1 : place + 1] = [joined]

    def _tried(self, change: Callable[[], bool | None]) -> bool:
        """Did it do something? False where the disk is full too; raises StoreFailed."""
        try:
            return change() is not False
        except OSError as error:
            if error.errno in FULL_DISK:
                return False
            named = error.filename or self._job_uid
            raise StoreFailed(
                f"cannot write the log {named}: {error.strerror}"
            ) from error

    # -- at a start ------------------------------------------------------------------

    def _load(self) -> None:
        for base, path in paths_of(self._folder, self._job_uid):
            if base < self.end:
                path.unlink(missing_ok=True)  # the one before says what is in it
            else:
                self.segments.append(load_segment(path, base, self._note))

    def _note(self, record: Record) -> None:
        if record.task == ALL_TASKS:
            self.erased = record if isinstance(record, Gone) else None
            return
        self.have[record.key] = record.offset + record.length
        if isinstance(record, Gone):
            self._gone[record.key] = self._gone.get(record.key, 0) + record.length
