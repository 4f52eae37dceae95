"""All that is known at one moment, as decisions see it. Frozen."""

from __future__ import annotations

import msgspec

from iris.domain.fleet import Backoff, ScaleGroup, Slice, Worker
from iris.domain.jobs import Attempt, Job
from iris.domain.resources import Resources, UserLimits

# A snapshot carries at most this many indexes of one job's ready tasks.
MOST_READY = 1024
# And at most this many attempts that start, and that stop: the oldest.
MOST_LATE = 64


class PendingJob(msgspec.Struct, frozen=True, gc=False):
    """The waiting tasks of one job."""

    job: Job
    order: int  # place in the line of submissions, the lower the earlier
    ready: tuple[int, ...]  # indexes that may start now: a prefix, in order
    ready_count: int  # how many there are in all
    later_count: int  # how many wait for their back-off
    next_ready_at: float  # when the first of those may start, 0 if none waits
    pending_since: float  # of the one that waits longest
    later_because: str = ""  # how the last attempt at the first of those ended
    shape: str = ""  # of the job, where it was worked out before


class WorkerLoad(msgspec.Struct, frozen=True):
    """A worker, what is free on it, and when it was last heard."""

    worker: Worker
    free: Resources
    live: int  # attempts that hold resources
    heard_at: float  # receipt of its last heartbeat
    interval: float  # seconds between its heartbeats, as it was told


class Gang(msgspec.Struct, frozen=True):
    """One gang start: all of its attempts, the ended ones too."""

    uid: str
    job_uid: str
    slice_name: str
    attempts: tuple[Attempt, ...]  # in order of task index


class Held(msgspec.Struct, frozen=True):
    """What the live attempts of one user hold."""

    user: str
    tasks: int
    chips: int


class Snapshot(msgspec.Struct, frozen=True):
    """State as the planning functions see it."""

    groups: tuple[ScaleGroup, ...]
    slices: tuple[Slice, ...] = ()  # all but the deleted
    workers: tuple[WorkerLoad, ...] = ()  # all of those slices
    pending: tuple[PendingJob, ...] = ()  # in order of submission
    unstarted: tuple[Job, ...] = ()  # that have to start by a time, and have not
    unready: tuple[Attempt, ...] = ()  # of those, all of no gang; none runs yet
    gangs: tuple[Gang, ...] = ()  # those not settled yet
    starting: tuple[Attempt, ...] = ()  # the first MOST_LATE of no gang, by age
    stopping: tuple[Attempt, ...] = ()  # the first MOST_LATE, by age
    backoffs: tuple[Backoff, ...] = ()
    user_limits: UserLimits = UserLimits()
    held: tuple[Held, ...] = ()  # by user, where there are limits
    draining: str = ""  # why the whole cluster gives its slices back
    stalled_until: float = 0.0  # the controller itself was stalled or down till then
