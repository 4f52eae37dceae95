"""What of the past goes: above which bound, and what of it first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from iris.domain.disk import DiskUse
from iris.domain.retention import WhyGone

_T = TypeVar("_T")

MOST_AT_ONCE = 200  # of each kind in one turn
MOST_TASKS = 50_000  # after which no further job goes in it: what they held is summed
SMALL = 4096  # bytes; to delete less frees nothing on most file systems
BUNDLE_REST = 3600.0  # seconds; who has just asked for a bundle is about to submit
LOOK_AGAIN = 10.0  # seconds
GO_ON = 0.1  # seconds before the next turn, where more is due


class RetentionBounds(msgspec.Struct, frozen=True):
    """How much of the past is kept; sizes in bytes."""

    jobs: int  # ended ones
    jobs_for: float  # seconds after their end
    logs: int  # of all jobs
    outputs: int  # of all jobs


class EndedJob(msgspec.Struct, frozen=True):
    """A job of the past, as far as this matters."""

    uid: str
    ended_at: float
    parent: str = ""
    bundle: str = ""
    tasks: int = 1


class Past(msgspec.Struct, frozen=True):
    """All that is kept, at one moment."""

    ended: tuple[EndedJob, ...]  # the oldest end first
    live: frozenset[str]  # uids of jobs
    needed: frozenset[str]  # uids of jobs that live ones refer to
    log_bytes: Mapping[str, int]  # by uid of the job
    output_bytes: Mapping[str, int]
    bundles: Mapping[str, float]  # by SHA-256, when each was asked for
    live_bundles: frozenset[str]
    disk: DiskUse


class Removal(msgspec.Struct, frozen=True):
    """What one job left that goes, and why."""

    job_uid: str
    size: int
    why: WhyGone
    bound: int = 0


class RetentionPlan(msgspec.Struct, frozen=True):
    """What goes, and when to look again."""

    forget: tuple[EndedJob, ...] = ()  # with all that they left
    because: str = ""
    logs: tuple[Removal, ...] = ()
    outputs: tuple[Removal, ...] = ()
    bundles: tuple[str, ...] = ()
    next_at: float = 0.0


def plan_retention(past: Past, bounds: RetentionBounds, now: float) -> RetentionPlan:
    """Old jobs whole; of the others logs and outputs, the oldest first; then bundles.

    Nothing of a live job goes, nor a job that a live one refers to.
    """
    forget = tuple(_first(_surplus(past, bounds, now)))
    forgotten = {job.uid for job in forget}
    kept = [job for job in past.ended if job.uid not in forgotten]
    logs = _Going(past.log_bytes, forgotten)
    outputs = _Going(past.output_bytes, forgotten)
    logs.keep_within(kept, bounds.logs)
    outputs.keep_within(kept, bounds.outputs)
    _relieve(past.disk, kept, logs, outputs)
    used = past.live_bundles | {job.bundle for job in kept}
    bundles = tuple(_first(_unused(past, used, now)))
    counts = (len(each) for each in (forget, logs.going, outputs.going, bundles))
    is_more = MOST_AT_ONCE in counts or sum(j.tasks for j in forget) >= MOST_TASKS
    pause = GO_ON if is_more else LOOK_AGAIN
    return RetentionPlan(
        forget=forget,
        because=_because(forget, bounds, now),
        logs=tuple(logs.going.values()),
        outputs=tuple(outputs.going.values()),
        bundles=bundles,
        next_at=now + pause,
    )


class _Going:
    """What goes of one kind, within what goes in one turn."""

    def __init__(self, sizes: Mapping[str, int], forgotten: set[str]) -> None:
        self.sizes = sizes
        self.left = sum(sizes.values()) - sum(sizes.get(uid, 0) for uid in forgotten)
        self.going: dict[str, Removal] = {}

    def keep_within(self, jobs: Iterable[EndedJob], bound: int) -> None:
        """Let the oldest go until the rest is within the bound."""
        for job in jobs:
            if self.left <= bound:
                return
            self.take(job.uid, WhyGone.TOTAL_BOUND, bound)

    def take(self, uid: str, why: WhyGone, bound: int = 0) -> int:
        """Let a job's go, where that is worth it; returns the bytes."""
        size = self.sizes.get(uid, 0)
        is_full = len(self.going) >= MOST_AT_ONCE
        if size <= SMALL or is_full or uid in self.going:
            return 0
        self.going[uid] = Removal(uid, size, why, bound)
        self.left -= size
        return size


def _surplus(past: Past, bounds: RetentionBounds, now: float) -> Iterator[EndedJob]:
    """Jobs that are too old, or too many."""
    surplus, tasks = len(past.ended) - bounds.jobs, 0
    for job in past.ended:
        is_old = now - job.ended_at > bounds.jobs_for
        if tasks >= MOST_TASKS or (surplus <= 0 and not is_old):
            return
        if job.uid not in past.needed and job.parent not in past.live:
            surplus, tasks = surplus - 1, tasks + job.tasks
            yield job


def _relieve(
    disk: DiskUse, jobs: Iterable[EndedJob], logs: _Going, outputs: _Going
) -> None:
    """While the disk is pressed, what is oldest goes until it is not."""
    missing = disk.missing_bytes
    if not missing:
        return
    missing -= sum(r.size for each in (logs, outputs) for r in each.going.values())
    for job in jobs:
        for each in (logs, outputs):
            if missing <= 0:
                return
            missing -= each.take(job.uid, WhyGone.DISK_PRESSED)


def _unused(past: Past, used: frozenset[str], now: float) -> Iterator[str]:
    for sha256, asked_at in past.bundles.items():
        if sha256 not in used and now - asked_at > BUNDLE_REST:
            yield sha256


def _because(forget: tuple[EndedJob, ...], bounds: RetentionBounds, now: float) -> str:
    if not forget:
        return ""
    if now - forget[-1].ended_at > bounds.jobs_for:
        days = bounds.jobs_for / 86400
        return f"they ended more than {days:g} days ago (retention/jobs_for)"
    return f"more than {bounds.jobs} jobs have ended (retention/jobs)"


def _first(things: Iterator[_T]) -> Iterator[_T]:
    return islice(things, MOST_AT_ONCE)
