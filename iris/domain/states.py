"""The states of slices, workers, tasks and attempts, and their legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from iris.errors import IllegalMove


class SliceState(StrEnum):
    """The life of a slice, from the intent to create it to its confirmed absence."""

    REQUESTED = "requested"
    CREATING = "creating"
    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    PREEMPTED = "preempted"
    DELETING = "deleting"
    DELETED = "deleted"


class WorkerState(StrEnum):
    """What the controller holds of a worker, by its heartbeats."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    LOST = "lost"


class TaskState(StrEnum):
    """The life of a task; a retry leads back to pending."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """The life of an attempt; a heartbeat may skip states."""

    ASSIGNED = "assigned"
    PREPARING = "preparing"
    PREPARED = "prepared"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


class JobState(StrEnum):
    """Derived from the job's tasks; stored only once the job has ended."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TASK_ENDED = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED})
ATTEMPT_ENDED = frozenset(
    {
        AttemptState.SUCCEEDED,
        AttemptState.FAILED,
        AttemptState.CANCELLED,
        AttemptState.LOST,
    }
)
ATTEMPT_STARTING = frozenset(
    {AttemptState.ASSIGNED, AttemptState.PREPARING, AttemptState.PREPARED}
)
JOB_ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
# States of a slice that is still on its way to work, or at work.
SLICE_COMING = frozenset(
    {SliceState.REQUESTED, SliceState.CREATING, SliceState.BOOTING}
)
# States in which a slice holds, or may hold, resources of the cloud.
SLICE_OPEN = frozenset(SliceState) - {SliceState.DELETED}

_S, _T, _A, _W = SliceState, TaskState, AttemptState, WorkerState

SLICE_MOVES: Mapping[SliceState, frozenset[SliceState]] = {
    _S.REQUESTED: frozenset({_S.CREATING, _S.BOOTING, _S.FAILED, _S.DELETING}),
    _S.CREATING: frozenset({_S.BOOTING, _S.FAILED, _S.PREEMPTED, _S.DELETING}),
    _S.BOOTING: frozenset({_S.READY, _S.FAILED, _S.PREEMPTED, _S.DELETING}),
    _S.READY: frozenset({_S.DRAINING, _S.FAILED, _S.PREEMPTED, _S.DELETING}),
    _S.DRAINING: frozenset({_S.FAILED, _S.PREEMPTED, _S.DELETING}),
    _S.FAILED: frozenset({_S.DELETING}),
    _S.PREEMPTED: frozenset({_S.DELETING}),
    _S.DELETING: frozenset({_S.DELETED}),
    _S.DELETED: frozenset(),
}
WORKER_MOVES: Mapping[WorkerState, frozenset[WorkerState]] = {
    _W.HEALTHY: frozenset({_W.SUSPECT, _W.LOST}),
    _W.SUSPECT: frozenset({_W.HEALTHY, _W.LOST}),
    _W.LOST: frozenset(),
}
TASK_MOVES: Mapping[TaskState, frozenset[TaskState]] = {
    _T.PENDING: frozenset({_T.ASSIGNED, _T.CANCELLED, _T.FAILED}),
    _T.ASSIGNED: frozenset(
        {_T.RUNNING, _T.SUCCEEDED, _T.FAILED, _T.CANCELLED, _T.PENDING}
    ),
    _T.RUNNING: frozenset({_T.SUCCEEDED, _T.FAILED, _T.CANCELLED, _T.PENDING}),
    _T.SUCCEEDED: frozenset(),
    _T.FAILED: frozenset(),
    _T.CANCELLED: frozenset(),
}
_ATTEMPT_ORDER = (_A.ASSIGNED, _A.PREPARING, _A.PREPARED, _A.RUNNING)
ATTEMPT_MOVES: Mapping[AttemptState, frozenset[AttemptState]] = {
    **{
        state: frozenset(_ATTEMPT_ORDER[i + 1 :]) | ATTEMPT_ENDED
        for i, state in enumerate(_ATTEMPT_ORDER)
    },
    **{state: frozenset() for state in ATTEMPT_ENDED},
}

State = TypeVar("State", SliceState, WorkerState, TaskState, AttemptState)


def require_move(
    moves: Mapping[State, frozenset[State]], what: str, old: State, new: State
) -> None:
    """Raise IllegalMove unless the table has the move from `old` to `new`."""
    if new not in moves[old]:
        raise IllegalMove(f"{what} cannot go from {old} to {new}")
