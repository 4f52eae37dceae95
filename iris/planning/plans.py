"""What decisions ask for: each item with its reason, and when to look again."""

from __future__ import annotations

import msgspec

from iris.domain.jobs import EndCause
from iris.domain.states import SliceState, WorkerState

# `next_at` in every plan: the earliest time at which time alone changes the answer,
# 0 if none does.


class Placement(msgspec.Struct, frozen=True):
    """Tasks of one job and the workers that take them; a gang is one placement."""

    job_uid: str
    gang: bool
    tasks: tuple[tuple[int, str], ...]  # (task index, worker uid)


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Ready tasks of one job that found no place, and the reason."""

    job_uid: str
    count: int
    because: str


class Expired(msgspec.Struct, frozen=True):
    """A job that did not start, or hold on, in the time that it was given."""

    job_uid: str
    because: str


class SchedulingPlan(msgspec.Struct, frozen=True):
    """Which tasks start where, and which jobs have waited too long."""

    placements: tuple[Placement, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    expired: tuple[Expired, ...] = ()
    next_at: float = 0.0


class Create(msgspec.Struct, frozen=True):
    """One slice to ask for."""

    group: str
    zone: str
    because: str


class Drain(msgspec.Struct, frozen=True):
    """A slice that takes no new work and goes when it is empty."""

    slice_name: str
    because: str


class GroupOutlook(msgspec.Struct, frozen=True):
    """What the autoscaler makes of one group, in numbers and words."""

    group: str
    wanted: int  # slices that demand and bounds ask for
    ready: int
    coming: int
    leaving: int
    because: str
    next_at: float = 0.0


class Outlook(msgspec.Struct, frozen=True, gc=False):
    """What the autoscaler does about the waiting tasks of one job."""

    job_uid: str
    because: str


class CapacityPlan(msgspec.Struct, frozen=True):
    """Which slices come, which go, and what that means for who waits."""

    creates: tuple[Create, ...] = ()
    drains: tuple[Drain, ...] = ()
    groups: tuple[GroupOutlook, ...] = ()
    jobs: tuple[Outlook, ...] = ()
    next_at: float = 0.0


class SliceMove(msgspec.Struct, frozen=True):
    """A slice's next state."""

    slice_name: str
    to: SliceState
    because: str
    backoff: str = ""  # code of the error that holds its group back, if one does


class Sighting(msgspec.Struct, frozen=True):
    """What one listing said of a slice that has a row."""

    slice_name: str
    seen: bool


class Release(msgspec.Struct, frozen=True):
    """A slice on which nothing runs any more, by the cloud's own word."""

    slice_name: str
    because: str


class Orphan(msgspec.Struct, frozen=True):
    """A resource of this cluster without a row, to be deleted."""

    slice_name: str
    zone: str
    because: str


class LifecyclePlan(msgspec.Struct, frozen=True):
    """What rows, listings and deadlines together ask for."""

    moves: tuple[SliceMove, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    releases: tuple[Release, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    next_at: float = 0.0


class WorkerMove(msgspec.Struct, frozen=True):
    """A worker's next state by its heartbeats."""

    worker_uid: str
    to: WorkerState
    because: str


class LivenessPlan(msgspec.Struct, frozen=True):
    """Which workers are heard, suspect or lost."""

    moves: tuple[WorkerMove, ...] = ()
    next_at: float = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """How a gang start ended, classified once, by its root cause."""

    gang_uid: str
    outcome: str  # "succeeded", "failed", "lost" or "cancelled"
    root_attempt_uid: str  # the cause, empty for success
    cause: EndCause | None
    because: str


class Stop(msgspec.Struct, frozen=True):
    """A live attempt whose end is wanted."""

    attempt_uid: str
    because: str


class VerdictPlan(msgspec.Struct, frozen=True):
    """Gangs to settle, and attempts to stop because a sibling ended."""

    verdicts: tuple[Verdict, ...] = ()
    stops: tuple[Stop, ...] = ()
    next_at: float = 0.0
