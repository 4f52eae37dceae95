"""What is promised of sharing: limits, order, and families of jobs.

What people asked for travels in the variables of their jobs, so that it is known where
a program starts, whatever the controller thinks of it.
"""

from __future__ import annotations

from iris.controller.tables import Tables
from iris.domain.jobs import After, AfterEnd, Job
from iris.domain.protocol import AttemptSpec
from iris.domain.states import JobState
from iris.simulation.controller import SimulatedController
from iris.simulation.fleet import LIMITS
from iris.simulation.truth import BrokenPromise, Truth

BEFORE_IT, PARENT = "the job before it", "its parent"  # who cancels, as State says it


def write_after(firsts: tuple[After, ...]) -> str:
    """What a job runs after, as a variable."""
    return " ".join(f"{each.job}:{each.on}" for each in firsts)


def read_after(words: str) -> list[tuple[str, AfterEnd]]:
    """The uids of the jobs that end first, and how."""
    pairs = (each.partition(":") for each in words.split())
    return [(uid, AfterEnd(on)) for uid, _, on in pairs]


class Sharing:
    """Raises BrokenPromise with what was seen."""

    def __init__(self, truth: Truth, controller: SimulatedController) -> None:
        self._truth = truth
        self._controller = controller
        truth.when_started(self._check_start)

    def check(self, tables: Tables) -> None:
        """What the controller holds to be so."""
        for held in tables.held():
            _require_within(held.user, held.tasks, held.chips)
        for job in tables.jobs.values():
            if not job.cancelled_by:
                _check_family(tables, job)
                _check_order(tables, job)

    def check_end(self, job: Job) -> None:
        """A job that ended: was there a reason for it, and none to end otherwise?"""
        firsts = [(self._job(uid), on) for uid, on in read_after(job.spec.env["AFTER"])]
        failed = [
            first.name
            for first, on in firsts
            if on is AfterEnd.SUCCESS and first.final_state is not JobState.SUCCEEDED
        ]
        if failed and job.final_state is not JobState.CANCELLED:
            raise BrokenPromise(f"job {job.name} {job.final_state} after {failed}")
        if job.cancelled_by == BEFORE_IT and not failed:
            raise BrokenPromise(f"job {job.name} is cancelled: {job.because}")
        if job.cancelled_by == PARENT and not self._job(job.parent).ended_at:
            raise BrokenPromise(f"job {job.name} ended before its parent")

    def _check_start(self, spec: AttemptSpec) -> None:
        """A program starts: has all that it runs after ended, and is there room?"""
        held = [each for each in self._truth.held() if _user(each) == _user(spec)]
        chips = sum(each.resources.chips for each in held)
        _require_within(_user(spec), len(held), chips)
        for uid, on in read_after(spec.env["AFTER"]):
            self._check_first(spec, uid, on)

    def _check_first(self, spec: AttemptSpec, uid: str, on: AfterEnd) -> None:
        running = self._truth.running_of(uid)
        if running:
            raise BrokenPromise(f"{spec.job} starts while {running[0].job} runs")
        first = self._job(uid)
        undone = [
            index
            for index in range(first.spec.tasks)
            if (uid, index) not in self._truth.succeeded
        ]
        if on is AfterEnd.SUCCESS and undone:
            raise BrokenPromise(f"{spec.job} starts without {first.name} {undone}")

    def _job(self, uid: str) -> Job:
        return self._controller.journal.job(uid)


def _user(spec: AttemptSpec) -> str:
    return spec.env["USER"]


def _require_within(user: str, tasks: int, chips: int) -> None:
    if tasks > LIMITS.running_tasks or chips > LIMITS.chips:
        raise BrokenPromise(f"{user} has {tasks} tasks and {chips} chips of {LIMITS}")


def _check_family(tables: Tables, job: Job) -> None:
    if not job.parent:
        return
    parent = tables.jobs.get(job.parent)
    if parent is None or parent.cancelled_by:
        raise BrokenPromise(f"job {job.name} outlives its parent {job.parent}")


def _check_order(tables: Tables, job: Job) -> None:
    if not job.waits_for:
        return
    for first in job.waits_for:
        if first.uid not in tables.jobs:
            raise BrokenPromise(f"job {job.name} waits for {first.job}, which ended")
    if tables.tasks[job.uid].touched:
        raise BrokenPromise(f"job {job.name} begins before {job.waits_for}")
