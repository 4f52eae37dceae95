"""One transition under way: reads see its own writes, nothing is real until it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from iris.controller.history import PastJob
from iris.controller.journal import Key, Row
from iris.controller.tables import Tables
from iris.domain.access import Grant
from iris.domain.costs import Work
from iris.domain.events import Event
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Job, Task
from iris.domain.states import ATTEMPT_ENDED
from iris.errors import NotThere
from iris.planning.costs import key_of

BUSY_TO = 5.0  # seconds to which it is known when a slice was last busy
T = TypeVar("T", Job, Slice, Worker, Attempt)


class Changed(msgspec.Struct, frozen=True):
    """What a transition did, for those who wait for something."""

    seq: int
    events: tuple[Event, ...]
    workers: frozenset[str]  # uids of those with something new to do


class Change:
    """The writes and events of one transition, on top of the tables."""

    def __init__(
        self, tables: Tables, seq: int, now: float, new_id: Callable[[str], str]
    ) -> None:
        self.tables = tables
        self.now = now
        self.new_id = new_id  # a prefix in, a fresh id out
        self.events: list[Event] = []
        self.workers: set[str] = set()
        self.jobs_touched: set[str] = set()
        self._first_seq = seq + 1
        self._rows: dict[tuple[str, Key], Row] = {}

    @property
    def seq(self) -> int:
        """The sequence number that the transition ends with."""
        return self._first_seq + max(len(self.events) - 1, 0)

    @property
    def next_seq(self) -> int:
        """The number of the next event."""
        return self._first_seq + len(self.events)

    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def job(self, uid: str) -> Job:
        """A live job. Raises NotThere."""
        return self._read(Job, "jobs", uid, self.tables.jobs)

    def slice(self, name: str) -> Slice:
        """A slice that is not deleted. Raises NotThere."""
        return self._read(Slice, "slices", name, self.tables.slices)

    def worker(self, uid: str) -> Worker:
        """A worker of such a slice. Raises NotThere."""
        return self._read(Worker, "workers", uid, self.tables.workers)

    def attempt(self, uid: str) -> Attempt:
        """A live attempt. Raises NotThere."""
        return self._read(Attempt, "attempts", uid, self.tables.attempts)

    def answer_to(self, client_id: str) -> Answered | None:
        """Where the client id's job had come under another one."""
        *_, found = self._rows.get(("answered", (client_id,)), (None,))
        return (
            found if isinstance(found, Answered) else self.tables.answer_to(client_id)
        )

    def task(self, job_uid: str, index: int) -> Task:
        """A task of a live job that has not ended. Raises NotThere."""
        row = self._rows.get(("tasks", (job_uid, index)))
        if row is not None and isinstance(row[2], Task):
            return row[2]
        tasks = self.tables.tasks.get(job_uid)
        task = tasks.task(index) if tasks else None
        if task is None:
            raise NotThere(f"job {job_uid} has no task {index} under way")
        return task

    def put_job(self, job: Job) -> None:
        self._put("jobs", (job.uid,), job)
        self.jobs_touched.add(job.uid)

    def put_task(self, task: Task) -> None:
        self._put("tasks", (task.job_uid, task.index), task)
        self.jobs_touched.add(task.job_uid)

    def put_attempt(self, attempt: Attempt) -> None:
        self._put("attempts", (attempt.uid,), attempt)
        self.workers.add(attempt.worker_uid)
        if attempt.state in ATTEMPT_ENDED:
            self._note_busy(attempt.slice_name)

    def put_slice(self, slice_: Slice) -> None:
        self._put("slices", (slice_.name,), slice_)

    def put_worker(self, worker: Worker) -> None:
        self._put("workers", (worker.uid,), worker)

    def put_phase(self, phase: BootPhase) -> None:
        count = len(self.tables.phases.get(phase.slice_name, {}))
        count += sum(1 for table, _ in self._rows if table == "phases")
        self._put("phases", (phase.slice_name, phase.index, count), phase)

    def put_spent(self, total: Work) -> None:
        self._put("spent", key_of(total), total)

    def put_answered(self, answered: Answered) -> None:
        self._put("answered", (answered.client_id,), answered)

    def put_grant(self, grant: Grant) -> None:
        self._put("grants", (grant.token_hash,), grant)

    def put_backoff(self, backoff: Backoff) -> None:
        self._put("backoffs", (backoff.group, backoff.zone), backoff)

    def put_meta(self, key: str, value: str) -> None:
        self._put("meta", (key,), value)

    def drop(self, table: str, *key: str) -> None:
        self._put(table, key, None)

    def drop_tasks(self, job_uid: str, first: int, last: int) -> None:
        """Drop the rows of tasks `first` to `last` (without it), with attempts."""
        self._put("task_ranges", (job_uid, first, last), None)

    def tasks_in_change(self, job_uid: str) -> list[Task]:
        """The tasks of a job that this transition has written."""
        return [
            entity
            for (table, key), (_, _, entity) in self._rows.items()
            if table == "tasks" and key[0] == job_uid and isinstance(entity, Task)
        ]

    def jobs_accepted(self) -> list[Job]:
        """The jobs that this transition has brought."""
        jobs = (e for *_, e in self._rows.values() if isinstance(e, Job))
        return [job for job in jobs if job.uid not in self.tables.jobs]

    def attempts_in_change(self) -> list[Attempt]:
        """The attempts that this transition has written."""
        rows = self._rows.values()
        return [entity for *_, entity in rows if isinstance(entity, Attempt)]

    def event(
        self,
        kind: str,
        *,
        because: str = "",
        job: Job | None = None,
        slice_name: str = "",
        **fields: object,
    ) -> None:
        """Say what happened; `fields` are further ones of Event."""
        named = {
            "seq": self.next_seq,
            "at": self.now,
            "kind": kind,
            "because": because,
            "slice_name": slice_name,
        }
        if job is not None:
            named |= {"job_uid": job.uid, "job": job.name, "user": job.user}
        self.events.append(msgspec.convert(named | fields, Event))

    def event_of(self, kind: str, job: PastJob, because: str) -> None:
        """Say what happens to what an ended job left."""
        self.event(kind, because=because)
        named = msgspec.structs.replace(
            self.events[-1], job_uid=job.uid, job=job.spec.name, user=job.user
        )
        self.events[-1] = named

    def _note_busy(self, slice_name: str) -> None:
        """It is idle from here on at the earliest, for the next controller too.

        To some seconds: a busy slice would have its row written with every end.
        """
        with suppress(NotThere):
            slice_ = self.slice(slice_name)
            if self.now - slice_.busy_at >= BUSY_TO:
                self.put_slice(msgspec.structs.replace(slice_, busy_at=self.now))

    def _put(self, table: str, key: Key, entity: msgspec.Struct | str | None) -> None:
        # the newest goes last: a job that ends is applied after its tasks
        self._rows.pop((table, key), None)
        self._rows[table, key] = (table, key, entity)

    def _read(self, kind: type[T], table: str, key: str, live: dict[str, T]) -> T:
        row = self._rows.get((table, (key,)))
        found = row[2] if row is not None else live.get(key)
        if not isinstance(found, kind):
            raise NotThere(f"there is no {kind.__name__.lower()} {key!r}")
        return found


def hash_token(token: str) -> str:
    """How a token is kept: its SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()
