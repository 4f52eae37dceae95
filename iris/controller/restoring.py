"""Reads all that lives back from the database at the controller's start."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from iris.controller.journal import Restored
from iris.domain.access import Grant
from iris.domain.fleet import Backoff, BootPhase, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Job, Task
from iris.domain.states import SliceState

S = TypeVar("S", bound=msgspec.Struct)

_OPEN_SLICES = f"s.state != '{SliceState.DELETED}'"


def load_restored(connection: Connection) -> Restored:
    """All that lives, in one transaction."""
    seq = connection.exec_driver_sql("SELECT seq FROM progress").scalar_one_or_none()
    return Restored(
        seq=seq or 0,
        jobs=_jobs(connection),
        tasks=_tasks(connection),
        attempts=_attempts(connection),
        slices=_slices(connection),
        workers=_workers(connection),
        grants=_structs(connection, Grant, "SELECT body FROM grants"),
        backoffs=_structs(connection, Backoff, "SELECT body FROM backoffs"),
        phases=_phases(connection),
        meta=_pairs(connection, "SELECT key, value FROM meta"),
        names=_pairs(connection, "SELECT name, uid FROM jobs"),
        client_ids=_pairs(connection, "SELECT client_id, uid FROM jobs"),
        answered=_structs(connection, Answered, "SELECT body FROM answered"),
    )


def _jobs(connection: Connection) -> tuple[Job, ...]:
    query = "SELECT body FROM jobs WHERE ended_at = 0 ORDER BY place"
    return _structs(connection, Job, query)


def _tasks(connection: Connection) -> tuple[Task, ...]:
    return _structs(
        connection,
        Task,
        "SELECT t.body FROM jobs j CROSS JOIN tasks t ON t.job_uid = j.uid "
        "WHERE j.ended_at = 0",
    )


def _attempts(connection: Connection) -> tuple[Attempt, ...]:
    return _structs(
        connection,
        Attempt,
        "SELECT a.body FROM jobs j CROSS JOIN attempts a ON a.job_uid = j.uid "
        "WHERE j.ended_at = 0 AND (a.ended = 0 OR a.gang_uid IS NOT NULL)",
    )


def _slices(connection: Connection) -> tuple[Slice, ...]:
    query = f"SELECT s.body FROM slices s WHERE {_OPEN_SLICES}"
    return _structs(connection, Slice, query)


def _workers(connection: Connection) -> tuple[Worker, ...]:
    return _structs(
        connection,
        Worker,
        "SELECT w.body FROM slices s JOIN workers w ON w.slice_name = s.name "
        f"WHERE {_OPEN_SLICES}",
    )


def _phases(connection: Connection) -> tuple[BootPhase, ...]:
    return _structs(
        connection,
        BootPhase,
        "SELECT p.body FROM slices s JOIN phases p ON p.slice_name = s.name "
        f"WHERE {_OPEN_SLICES} ORDER BY p.slice_name, p.n",
    )


def _structs(connection: Connection, kind: type[S], query: str) -> tuple[S, ...]:
    decode = msgspec.msgpack.Decoder(kind).decode
    rows = connection.exec_driver_sql(query)
    return tuple(decode(body) for (body,) in rows)


def _pairs(connection: Connection, query: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in connection.exec_driver_sql(query)}
