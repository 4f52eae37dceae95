"""The port to what has ended: read from the database, never through State."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from iris.domain.costs import Work
from iris.domain.events import Event
from iris.domain.fleet import BootPhase, Slice
from iris.domain.jobs import Attempt, Job, Task
from iris.domain.states import JobState, TaskState


class JobFilter(msgspec.Struct, frozen=True):
    """Which ended jobs are asked for; empty fields allow everything."""

    state: JobState | None = None
    user: str = ""
    name: str = ""
    family: str = ""  # uid of a live job: itself and its children

    def has(self, job: Job) -> bool:
        """Is a job of the user, name and family that are asked for?"""
        return (
            self.user in ("", job.user)
            and self.name in ("", job.name)
            and self.family in ("", job.uid, job.parent)
        )


class EventFilter(msgspec.Struct, frozen=True):
    """Which events are asked for; empty fields allow everything."""

    job_uid: str = ""
    slice_name: str = ""
    since: int = 0  # nothing that is asked for has a lower number

    def takes(self, event: Event) -> bool:
        """Is the event asked for?"""
        is_job = self.job_uid in ("", event.job_uid)
        return is_job and self.slice_name in ("", event.slice_name)


class PastSpec(msgspec.Struct, frozen=True):
    """What of a spec matters to retention."""

    name: str = ""
    tasks: int = 1
    bundle: str = ""


class PastJob(msgspec.Struct, frozen=True):
    """A job, without what may be large in it."""

    uid: str
    client_id: str
    user: str
    spec: PastSpec
    ended_at: float = 0.0
    parent: str = ""


class History(Protocol):
    """What the Archive answers; durable rows only."""

    def job(self, uid: str) -> Job | None:
        """Any job that is kept, ended or not."""

    def ended_jobs(
        self, wanted: JobFilter, before: int, limit: int, after: int = 0
    ) -> tuple[Job, ...]:
        """Ended jobs with `order` below `before`, above `after`, the newest first."""

    def task_counts(self, job: Job) -> dict[TaskState, int]:
        """How many rows of tasks are in each state."""

    def tasks(self, job_uid: str, first: int, last: int) -> tuple[Task, ...]:
        """The rows of tasks `first` to `last` (without it), in order of index."""

    def attempts(self, job_uid: str, index: int) -> tuple[Attempt, ...]:
        """Every attempt at a task, the first one first."""

    def attempts_by_uid(self, uids: Sequence[str]) -> dict[str, Attempt]:
        """Those of some attempts that are kept, ended or not."""

    def events(self, wanted: EventFilter, after: int, limit: int) -> tuple[Event, ...]:
        """Events with a number above `after`, in order."""

    def newest_events(self, wanted: EventFilter, limit: int) -> tuple[Event, ...]:
        """The last events, in order."""

    def events_gone(self) -> Event | None:
        """What stands for the events that are kept no more; None if all are."""

    def phases(self, slice_name: str) -> tuple[BootPhase, ...]:
        """The boot of a slice, deleted ones too, in order."""

    def slices(self, since: float) -> tuple[Slice, ...]:
        """Those that were not deleted before a time."""

    def work(self, since: float) -> Iterator[Work]:
        """The attempts of jobs that had not ended before a time, and sums since."""


def gone_behind(history: History, wanted: EventFilter, after: int) -> Event | None:
    """What stands for events that are asked for and kept no more."""
    gone = history.events_gone()
    is_asked_for = gone is not None and max(after, wanted.since - 1) < gone.seq
    return gone if is_asked_for else None
