"""A journal in memory that forgets, at a crash, what was not durable yet.

Rows are kept encoded, so that a restore really reads them again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from iris.controller.journal import Key, Restored, Row
from iris.domain.access import Grant
from iris.domain.costs import Work
from iris.domain.events import Event
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Job, Task
from iris.domain.states import ATTEMPT_ENDED, SliceState

T = TypeVar("T")

_Rows = list[tuple[str, Key, bytes | None]]

_KINDS: dict[str, Any] = {
    "jobs": Job,
    "tasks": Task,
    "attempts": Attempt,
    "slices": Slice,
    "workers": Worker,
    "grants": Grant,
    "backoffs": Backoff,
    "phases": BootPhase,
    "spent": Work,
    "answered": Answered,
    "meta": str,
}
_encode = msgspec.msgpack.Encoder().encode


class MemoryJournal:
    """Rows become durable when somebody waits for them, or when `flush` is called."""

    def __init__(self, fuse: Callable[[str], None] = lambda where: None) -> None:
        self._fuse = fuse  # may raise, to let the controller crash right there
        self._durable_seq = 0
        self._pending: deque[tuple[int, _Rows]] = deque()
        self._tables: dict[str, dict[Key, bytes]] = {}

    @property
    def durable_seq(self) -> int:
        return self._durable_seq

    def append(self, seq: int, rows: Sequence[Row], events: Sequence[Event]) -> None:
        self._fuse("in the middle of a change")
        encoded: _Rows = []
        for table, key, entity in rows:
            encoded.append((table, key, None if entity is None else _encode(entity)))
        self._pending.append((seq, encoded))

    def wait_durable(self, seq: int, timeout: float | None = None) -> None:
        if seq > self._durable_seq:
            self._fuse("before the commit")
            self.flush()
            self._fuse("after the commit")

    def flush(self, count: int | None = None) -> None:
        """Make the first `count` waiting transitions durable, all of them without."""
        left = len(self._pending) if count is None else count
        while self._pending and left > 0:
            seq, rows = self._pending.popleft()
            for row in rows:
                self._keep(*row)
            self._durable_seq = seq
            left -= 1

    def crash(self, survivors: int = 0) -> int:
        """Forget what is not durable, save the first few; how many were forgotten?"""
        self.flush(survivors)
        forgotten = len(self._pending)
        self._pending.clear()
        return forgotten

    def row(self, table: str, *key: str | int) -> Any:
        """What stands in a row now, durable or not. Raises KeyError."""
        found = self._tables.get(table, {}).get(key)
        for _, rows in self._pending:
            for row_table, row_key, row in rows:
                if (row_table, row_key) == (table, key):
                    found = row
        if found is None:
            raise KeyError(key)
        return msgspec.msgpack.decode(found, type=_KINDS[table])

    def job(self, uid: str) -> Job:
        """A job as it stands now. Raises KeyError."""
        found: Job = self.row("jobs", uid)
        return found

    def load(self) -> Restored:
        self.flush()  # what no crash forgot is there
        jobs = self._all("jobs", Job)
        live_jobs = {job.uid: job for job in jobs if not job.ended_at}
        slices = {
            each.name: each
            for each in self._all("slices", Slice)
            if each.state is not SliceState.DELETED
        }
        return Restored(
            seq=self._durable_seq,
            jobs=tuple(live_jobs.values()),
            tasks=tuple(
                task for task in self._all("tasks", Task) if task.job_uid in live_jobs
            ),
            attempts=tuple(
                attempt
                for attempt in self._all("attempts", Attempt)
                if attempt.job_uid in live_jobs
                and (attempt.gang_uid or attempt.state not in ATTEMPT_ENDED)
            ),
            slices=tuple(slices.values()),
            workers=tuple(
                worker
                for worker in self._all("workers", Worker)
                if worker.slice_name in slices
            ),
            grants=tuple(self._all("grants", Grant)),
            backoffs=tuple(self._all("backoffs", Backoff)),
            phases=tuple(
                phase
                for phase in self._all("phases", BootPhase)
                if phase.slice_name in slices
            ),
            meta={str(key[0]): value for key, value in self._items("meta", str)},
            names={job.name: job.uid for job in jobs},
            client_ids={job.client_id: job.uid for job in jobs},
            answered=tuple(self._all("answered", Answered)),
        )

    def _keep(self, table: str, key: Key, row: bytes | None) -> None:
        kept = self._tables.setdefault(table, {})
        if row is None:
            kept.pop(key, None)
        else:
            kept[key] = row

    def _all(self, table: str, kind: type[T]) -> list[T]:
        return [entity for _, entity in self._items(table, kind)]

    def _items(self, table: str, kind: type[T]) -> list[tuple[Key, T]]:
        decode = msgspec.msgpack.Decoder(kind).decode
        return [(key, decode(row)) for key, row in self._tables.get(table, {}).items()]
