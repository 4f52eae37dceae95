"""Reads what has ended from the database, on connections of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, or_, select

from iris.controller.database import open_for_reading
from iris.controller.history import EventFilter, JobFilter, PastJob
from iris.controller.rows import EVENTS_GONE_UP_TO
from iris.controller.schema import (
    ATTEMPTS,
    EVENTS,
    JOBS,
    META,
    PHASES,
    SLICES,
    SPENT,
    TASKS,
)
from iris.domain.costs import Work
from iris.domain.events import EVENTS_GONE, Event
from iris.domain.fleet import BootPhase, Slice
from iris.domain.jobs import Attempt, Job, Task
from iris.domain.resources import Resources
from iris.domain.states import TaskState
from iris.planning.costs import DayKey, day_of, end_of

S = TypeVar("S", bound=msgspec.Struct)
Query = Select[bytes]

_ATTEMPTS = select(JOBS.c.user, JOBS.c.name, ATTEMPTS.c.body).join_from(
    JOBS, ATTEMPTS, JOBS.c.uid == ATTEMPTS.c.job_uid
)
_MOST_IN_ONE_QUERY = 1000  # values that one statement may carry
_READ_AT_ONCE = 500  # rows of which few may be wanted
# What is asked most, made once: to make a statement takes longer than its answer.
_JOB = select(JOBS.c.body).where(JOBS.c.uid == bindparam("uid"))
_COUNTS = (
    select(TASKS.c.state, func.count())
    .where(TASKS.c.job_uid == bindparam("uid"))
    .group_by(TASKS.c.state)
)
_SOME_TASKS = (
    select(TASKS.c.body)
    .where(TASKS.c.job_uid == bindparam("uid"))
    .where(TASKS.c.idx >= bindparam("first"), TASKS.c.idx < bindparam("last"))
    .order_by(TASKS.c.idx)
)


class _Held(msgspec.Struct, frozen=True):
    """Of an attempt what its cost needs: there may be a million of them."""

    job_uid: str
    slice_name: str
    resources: Resources
    assigned_at: float = 0.0
    ended_at: float = 0.0


class Archive:
    """The history on SQLite; any thread may ask. Only what is durable is seen."""

    def __init__(self, database: Path) -> None:
        self._engine = open_for_reading(database)
        self._final_counts = lru_cache(maxsize=10_000)(self._count_tasks)

    def job(self, uid: str) -> Job | None:
        """Any job that is kept, ended or not."""
        return next(iter(self._many(Job, _JOB, {"uid": uid})), None)

    def ended_jobs(
        self, wanted: JobFilter, before: int, limit: int, after: int = 0
    ) -> tuple[Job, ...]:
        """Ended jobs with `order` below `before`, above `after`, the newest first."""
        query = (
            select(JOBS.c.body)
            .where(JOBS.c.ended_at > 0, JOBS.c.place < before, JOBS.c.place > after)
            .order_by(JOBS.c.place.desc())
        )
        if wanted.state is not None:
            query = query.where(JOBS.c.state == wanted.state.value)
        if wanted.user:
            query = query.where(JOBS.c.user == wanted.user)
        if wanted.name:
            query = query.where(JOBS.c.name == wanted.name)
        if wanted.family:
            return self._of_family(query, wanted, limit)
        return self._many(Job, query.limit(limit))

    def ended_since(self, at: float) -> tuple[str, ...]:
        """Uids of jobs that ended at a time or later, in order of their ends."""
        query = select(JOBS.c.uid).where(JOBS.c.ended_at > 0, JOBS.c.ended_at >= at)
        query = query.order_by(JOBS.c.ended_at, JOBS.c.place)
        with self._engine.connect() as connection:
            return tuple(connection.execute(query).scalars())

    def jobs_by_uid(self, uids: Sequence[str]) -> tuple[PastJob, ...]:
        """Those of some jobs that are kept, in order of their ends."""
        query = select(JOBS.c.body).where(JOBS.c.uid.in_(uids))
        return self._many(PastJob, query.order_by(JOBS.c.ended_at, JOBS.c.place))

    def task_counts(self, job: Job) -> dict[TaskState, int]:
        """How many rows of tasks are in each state; counted once after the end."""
        count = self._final_counts if job.ended_at else self._count_tasks
        return dict(count(job.uid))

    def tasks(self, job_uid: str, first: int, last: int) -> tuple[Task, ...]:
        """The rows of tasks `first` to `last` (without it), in order of index."""
        window = {"uid": job_uid, "first": first, "last": last}
        return self._many(Task, _SOME_TASKS, window)

    def attempts(self, job_uid: str, index: int) -> tuple[Attempt, ...]:
        """Every attempt at a task, the first one first."""
        columns = ATTEMPTS.c
        query = (
            select(columns.body)
            .where(columns.job_uid == job_uid, columns.task_index == index)
            .order_by(columns.number)
        )
        return self._many(Attempt, query)

    def attempts_by_uid(self, uids: Sequence[str]) -> dict[str, Attempt]:
        """Those of some attempts that are kept, ended or not."""
        found: dict[str, Attempt] = {}
        for first in range(0, len(uids), _MOST_IN_ONE_QUERY):
            asked = uids[first : first + _MOST_IN_ONE_QUERY]
            query = select(ATTEMPTS.c.body).where(ATTEMPTS.c.uid.in_(asked))
            found |= {a.uid: a for a in self._many(Attempt, query)}
        return found

    def events(self, wanted: EventFilter, after: int, limit: int) -> tuple[Event, ...]:
        """Events with a number above `after`, in order."""
        query = _events_of(wanted).where(EVENTS.c.seq > after)
        return self._many(Event, query.order_by(EVENTS.c.seq).limit(limit))

    def newest_events(self, wanted: EventFilter, limit: int) -> tuple[Event, ...]:
        """The last events there are, in order."""
        query = _events_of(wanted).order_by(EVENTS.c.seq.desc()).limit(limit)
        return self._many(Event, query)[::-1]

    def events_gone(self) -> Event | None:
        """What stands for the events that are kept no more; None if all are."""
        query = select(META.c.value).where(META.c.key == EVENTS_GONE_UP_TO)
        with self._engine.connect() as connection:
            up_to = connection.execute(query).scalar_one_or_none()
            if up_to is None:
                return None
            oldest = select(EVENTS.c.at).order_by(EVENTS.c.seq).limit(1)
            at = connection.execute(oldest).scalar_one_or_none()
        because = "older ones are kept no more (retention/events)"
        return Event(seq=int(up_to), at=at or 0.0, kind=EVENTS_GONE, because=because)

    def phases(self, slice_name: str) -> tuple[BootPhase, ...]:
        """The boot of a slice, deleted ones too, in order."""
        query = select(PHASES.c.body).where(PHASES.c.slice_name == slice_name)
        return self._many(BootPhase, query.order_by(PHASES.c.n))

    def slices(self, since: float) -> tuple[Slice, ...]:
        """Those that were not deleted before a time."""
        deleted_at = SLICES.c.deleted_at
        query = select(SLICES.c.body).where(or_(deleted_at == 0, deleted_at >= since))
        return self._many(Slice, query)

    def end_of_slice(self, name: str) -> float:
        """When the end of a slice was asked for, 0 if it was not."""
        query = select(SLICES.c.body).where(SLICES.c.name == name)
        return next(map(end_of, self._many(Slice, query)), 0.0)

    def work(self, since: float) -> Iterator[Work]:
        """The attempts of jobs that had not ended before a time; read as they go.

        Before them the sums of those that are kept no more, from that day on.
        """
        ended_at = JOBS.c.ended_at
        query = _ATTEMPTS.where(or_(ended_at == 0, ended_at >= since))
        sums = select(SPENT.c.body).where(SPENT.c.day >= day_of(since))
        with self._engine.connect() as connection:
            decode = msgspec.msgpack.Decoder(Work).decode
            bodies = connection.execute(sums).yield_per(_READ_AT_ONCE).scalars()
            yield from map(decode, bodies)
            yield from _work(connection, query)

    def work_of(self, job_uids: Sequence[str]) -> Iterator[Work]:
        """The attempts of some jobs; read as they go."""
        with self._engine.connect() as connection:
            yield from _work(connection, _ATTEMPTS.where(JOBS.c.uid.in_(job_uids)))

    def sums(self, keys: Iterable[DayKey]) -> Iterator[Work]:
        """What the work of jobs that are kept no more had come to, where it had."""
        columns, query = SPENT.c, select(SPENT.c.body)
        for name, user, day in keys:
            is_it = columns.slice_name == name, columns.user == user, columns.day == day
            yield from self._many(Work, query.where(*is_it))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _count_tasks(self, job_uid: str) -> tuple[tuple[TaskState, int], ...]:
        with self._engine.connect() as connection:
            rows = connection.execute(_COUNTS, {"uid": job_uid}).all()
        return tuple((TaskState(name), count) for name, count in rows)

    def _of_family(
        self, query: Query, wanted: JobFilter, limit: int
    ) -> tuple[Job, ...]:
        """No column says whose child a job is; none was there before its parent."""
        born = select(JOBS.c.place).where(JOBS.c.uid == wanted.family)
        query = query.where(JOBS.c.place > born.scalar_subquery())
        decode = msgspec.msgpack.Decoder(Job).decode
        with self._engine.connect() as connection:
            bodies = connection.execute(query).yield_per(_READ_AT_ONCE).scalars()
            found = (job for body in bodies if wanted.has(job := decode(body)))
            return tuple(islice(found, limit))

    def _many(
        self, kind: type[S], query: Query, values: Mapping[str, object] | None = None
    ) -> tuple[S, ...]:
        with self._engine.connect() as connection:
            bodies = connection.execute(query, values).scalars().all()
        decode = msgspec.msgpack.Decoder(kind).decode
        return tuple(decode(body) for body in bodies)


def _work(connection: Connection, query: Select[str, str, bytes]) -> Iterator[Work]:
    decode = msgspec.msgpack.Decoder(_Held).decode
    for user, job, body in connection.execute(query).yield_per(_READ_AT_ONCE):
        part = decode(body)
        chips, cpus = part.resources.chips, part.resources.cpus
        times = part.assigned_at, part.ended_at
        yield Work(user, part.slice_name, chips, cpus, *times, job, part.job_uid)


def _events_of(wanted: EventFilter) -> Query:
    query = select(EVENTS.c.body)
    for condition in _conditions(wanted):
        query = query.where(condition)
    return query


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    asked = {"job_uid": wanted.job_uid, "slice_name": wanted.slice_name}
    return [EVENTS.c[name] == value for name, value in asked.items() if value]
