"""Ended jobs that are kept no longer. What they left goes after their rows.

A mark in the meta table says which jobs are being forgotten, so that a crash at any
line leaves no row of a task, and no file, of a job that nobody knows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from iris.controller.change import Change
from iris.controller.history import PastJob
from iris.controller.tables import Tables
from iris.domain.costs import Work
from iris.errors import NotThere

FORGOTTEN = "forgotten"  # until when jobs ended that are kept no more
_MARK = "forgetting/"


def forget(
    change: Change, jobs: Sequence[PastJob], spent: Iterable[Work], because: str
) -> bool:
    """Drop the rows of ended jobs, for which there are sums from now on.

    All of them or none: where a live job refers to one by now, the next plan knows it.
    """
    needed, live = needed_by_live(change.tables), change.tables.jobs.keys()
    if any(job.uid in needed or {job.uid, job.parent} & live for job in jobs):
        return False
    for job in jobs:
        change.drop("jobs", job.uid)
        for client_id in change.tables.answered.get(job.uid, ()):
            change.drop("answered", client_id)
        change.put_meta(f"{_MARK}{job.uid}", str(job.spec.tasks))
    for total in spent:
        change.put_spent(total)
    until = max(job.ended_at for job in jobs)
    former = float(change.tables.meta.get(FORGOTTEN, "0"))
    change.put_meta(FORGOTTEN, str(max(until, former)))
    change.event("jobs forgotten", because=because, count=len(jobs))
    return True


def needed_by_live(tables: Tables) -> frozenset[str]:
    """Uids of jobs that live ones refer to."""
    needed: set[str] = set()
    for job in tables.jobs.values():
        needed.update(first.uid for first in job.spec.after)
        needed.add(job.parent)
    return frozenset(needed - {""})


def no_such_job(tables: Tables, name: str) -> NotThere:
    """The error for a name that nobody knows; there may have been one once."""
    hint, until = "See `inv job.list`.", float(tables.meta.get(FORGOTTEN, "0"))
    if until:
        day = time.strftime("%Y-%m-%d", time.gmtime(until))
        hint += f" Jobs that ended by {day} may be kept no more (retention)."
    return NotThere(f"there is no job {name[:80]!r}", hint)


def under_way(tables: Tables) -> dict[str, int]:
    """Jobs that are being forgotten, and up to which index rows of tasks remain."""
    return {
        key.removeprefix(_MARK): int(value)
        for key, value in tables.meta.items()
        if key.startswith(_MARK)
    }


def forget_tasks(change: Change, remaining: Mapping[str, int], most: int) -> None:
    """Drop at most so many rows of tasks, the last ones of each job first."""
    for uid, last in remaining.items():
        first = max(last - most, 0)
        change.drop_tasks(uid, first, last)
        if first:
            change.put_meta(f"{_MARK}{uid}", str(first))
            return
        change.drop("meta", f"{_MARK}{uid}")
        most -= last
        if most <= 0:
            return


def note_dropped(change: Change, kind: str, job: PastJob, because: str) -> None:
    """Say that something of an ended job goes."""
    change.event_of(f"{kind} dropped", job, because)
