"""Structs to rows: what each table's columns hold, and the SQL that writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table, bindparam, delete, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.expression import ClauseElement

from iris.controller import schema
from iris.controller.journal import Key
from iris.domain.access import Grant
from iris.domain.costs import Work
from iris.domain.events import Event
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Job, Task
from iris.domain.states import ATTEMPT_ENDED

pack = msgspec.msgpack.Encoder().encode

# The values of one row, in the order of the table's columns.
Values = tuple[str | int | float | bytes | None, ...]


class Kept(NamedTuple):
    """How the rows of one table are written and dropped."""

    values: Callable[[Key, Any], Values]
    put: str  # SQL
    drop: str  # SQL; its values are the row's key


def _job(key: Key, job: Job) -> Values:
    return (
        job.uid,
        job.name,
        job.user,
        job.client_id,
        job.final_state.value if job.final_state else "",
        job.order,
        job.submitted_at,
        job.ended_at,
        pack(job),
    )


def _task(key: Key, task: Task) -> Values:
    return task.job_uid, task.index, task.state.value, pack(task)


def _attempt(key: Key, attempt: Attempt) -> Values:
    return (
        attempt.job_uid,
        attempt.task_index,
        attempt.number,
        attempt.uid,
        int(attempt.state in ATTEMPT_ENDED),
        attempt.gang_uid or None,
        pack(attempt),
    )


def _slice(key: Key, kept: Slice) -> Values:
    return kept.name, kept.uid, kept.state.value, kept.deleted_at, pack(kept)


def _worker(key: Key, worker: Worker) -> Values:
    return worker.uid, worker.slice_name, pack(worker)


def _phase(key: Key, phase: BootPhase) -> Values:
    return (*key, pack(phase))


def _spent(key: Key, total: Work) -> Values:
    return (*key, pack(total))


def _answered(key: Key, answered: Answered) -> Values:
    return answered.client_id, pack(answered)


def _grant(key: Key, grant: Grant) -> Values:
    return grant.token_hash, pack(grant)


def _backoff(key: Key, backoff: Backoff) -> Values:
    return backoff.group, backoff.zone, pack(backoff)


def _meta(key: Key, value: str) -> Values:
    return *key, value


def event_values(event: Event) -> Values:
    """The row of an event; what it says nothing about is NULL, not indexed."""
    return (
        event.seq,
        event.at,
        event.kind,
        event.job_uid or None,
        event.slice_name or None,
        event.worker_uid or None,
        event.attempt_uid or None,
        pack(event),
    )


def _sql(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark")))


def _put(table: Table) -> str:
    keys = list(table.primary_key.columns)
    others = [c.name for c in table.columns if not c.primary_key]
    statement = upsert(table)
    return _sql(
        statement.on_conflict_do_update(
            index_elements=keys,
            set_={name: statement.excluded[name] for name in others},
        )
    )


def _kept(table: Table, values: Callable[[Key, Any], Values], *key: str) -> Kept:
    columns = [table.c[name] for name in key] or list(table.primary_key.columns)
    drop = delete(table).where(*(c == bindparam(c.name) for c in columns))
    return Kept(values, _put(table), _sql(drop))


KEPT = {
    "jobs": _kept(schema.JOBS, _job),
    "tasks": _kept(schema.TASKS, _task),
    "attempts": _kept(schema.ATTEMPTS, _attempt, "uid"),
    "slices": _kept(schema.SLICES, _slice),
    "workers": _kept(schema.WORKERS, _worker),
    "phases": _kept(schema.PHASES, _phase),
    "spent": _kept(schema.SPENT, _spent),
    "answered": _kept(schema.ANSWERED, _answered),
    "grants": _kept(schema.GRANTS, _grant),
    "backoffs": _kept(schema.BACKOFFS, _backoff),
    "meta": _kept(schema.META, _meta),
}
# Not a row but many: those of a forgotten job's tasks from one index up to another.
TASK_RANGES = "task_ranges"
DROP_RANGE = (
    "DELETE FROM tasks WHERE job_uid = ? AND idx >= ? AND idx < ?",
    "DELETE FROM attempts WHERE job_uid = ? AND task_index >= ? AND task_index < ?",
)
PUT_EVENT = _sql(insert(schema.EVENTS))  # a number used twice is a fault: no upsert
PUT_PROGRESS = _put(schema.PROGRESS)
EVENTS_GONE_UP_TO = "events_gone_up_to"  # a key of the meta table
NOTE_GONE = (
    f"INSERT INTO meta (key, value) SELECT '{EVENTS_GONE_UP_TO}', min(seq) - 1 "
    "FROM events WHERE true ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
PRUNE_EVENTS = (
    "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)"
)
