"""The tasks of one live job, small enough for a hundred thousand of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from msgspec.structs import replace

from iris.domain.jobs import Job, Task
from iris.domain.states import TASK_ENDED, TaskState
from iris.planning.room import shape_of
from iris.planning.snapshot import MOST_READY, PendingJob

_FRESH = 0  # pending and never attempted: no struct, no row
_CODES = {state: code for code, state in enumerate(TaskState, start=1)}
_NOT_RUN = bytes([_FRESH, _CODES[TaskState.PENDING], _CODES[TaskState.ASSIGNED]])
_STATES = {code: state for state, code in _CODES.items()}


class JobTasks:
    """The tasks of one live job: a byte each, and structs for those under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._shape = shape_of(job.spec)
        self._alone: tuple[Job, str] | None = None  # as planned for those that go alone
        self.touched: dict[int, Task] = {}  # attempted and not ended
        self._codes = bytearray(job.spec.tasks)
        self._back: dict[int, Task] = {}  # pending again
        self._fresh_from = 0
        self._pending: PendingJob | None = None

    def task(self, index: int) -> Task | None:
        """The task, or None once it has ended or if there is no such index."""
        if index in self.touched:
            return self.touched[index]
        if 0 <= index < len(self._codes) and self._codes[index] == _FRESH:
            return Task(self.job.uid, index, pending_since=_began_to_wait(self.job))
        return None

    def state(self, index: int) -> TaskState:
        """The state of any task, the ended ones too."""
        return _STATES.get(self._codes[index], TaskState.PENDING)

    def take_job(self, job: Job) -> None:
        """What is kept of the job itself changed."""
        self.job = job
        self._pending = self._alone = None
        if job.cancelled_by:
            self._end_fresh()

    def put(self, task: Task) -> None:
        self._pending = None
        self._codes[task.index] = _CODES[task.state]
        self._back.pop(task.index, None)
        if task.state in TASK_ENDED:
            self.touched.pop(task.index, None)
            return
        self.touched[task.index] = task
        if task.state is TaskState.PENDING:
            self._back[task.index] = task

    def _end_fresh(self) -> None:
        """The job's end is asked for: what never started never will, without a row."""
        ended = bytes([_CODES[self.job.end_of_untried]])
        self._codes = self._codes.replace(b"\0", ended)

    def counts(self) -> dict[TaskState, int]:
        """How many tasks are in each state; states without tasks are left out."""
        counts = {state: self._codes.count(code) for code, state in _STATES.items()}
        counts[TaskState.PENDING] += self._codes.count(_FRESH)
        return {state: count for state, count in counts.items() if count}

    @property
    def have_run(self) -> bool:
        """Does one run, or has one ended?"""
        return bool(self._codes.strip(_NOT_RUN))

    def fresh_count(self) -> int:
        """How many were never attempted."""
        return self._codes.count(_FRESH)

    def fresh(self) -> Iterator[int]:
        """Indexes never attempted, in order."""
        index = self._codes.find(_FRESH, self._fresh_from)
        self._fresh_from = index if index >= 0 else len(self._codes)
        while index >= 0:
            block = self._codes[index : index + MOST_READY]
            run = len(block) - len(block.lstrip(b"\0"))
            yield from range(index, index + run)
            index = self._codes.find(_FRESH, index + run)

    def pending(self, now: float) -> PendingJob | None:
        """The waiting tasks, if there are any; kept until something changes."""
        if self.job.waits_for:
            return None
        kept = self._pending
        if kept is None or 0 < kept.next_ready_at <= now:
            kept = self._pending = self._count_pending(now)
        return kept if kept.ready_count or kept.later_count else None

    def _count_pending(self, now: float) -> PendingJob:
        fresh_count = self.fresh_count()
        goes_alone = self._goes_alone(fresh_count)
        ready = sorted(
            i
            for i, t in self._back.items()
            if t.not_before <= now and (goes_alone or not t.goes_alone)
        )
        later = [t for t in self._back.values() if t.not_before > now]
        next_back = min(later, key=attrgetter("not_before"), default=None)
        since = [t.pending_since for t in self._back.values()]
        if fresh_count:
            since.append(_began_to_wait(self.job))
        first = ready[:MOST_READY]
        first += islice(self.fresh(), MOST_READY - len(first))
        job, shape = self._planned_alone() if goes_alone else (self.job, self._shape)
        return PendingJob(
            job=job,
            order=self.job.order,
            ready=tuple(first),
            ready_count=len(ready) + fresh_count,
            later_count=len(later),
            next_ready_at=next_back.not_before if next_back else 0.0,
            pending_since=min(since, default=0.0),
            later_because=next_back.reason if next_back else "",
            shape=shape,
        )

    def _goes_alone(self, fresh_count: int) -> bool:
        """Tasks that go alone come last, once no other of the job's waits."""
        if fresh_count or not self._back or self.job.spec.gang:
            return False
        return all(task.goes_alone for task in self._back.values())

    def _planned_alone(self) -> tuple[Job, str]:
        if self._alone is None:
            spec = self.job.spec
            constraints = replace(spec.constraints, alone=True)
            job = replace(self.job, spec=replace(spec, constraints=constraints))
            self._alone = job, shape_of(job.spec)
        return self._alone


def _began_to_wait(job: Job) -> float:
    return job.released_at or job.submitted_at
