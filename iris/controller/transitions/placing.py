"""A scheduling plan becomes attempts, as far as it still holds."""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.stays import moment
from iris.controller.transitions.jobs import cancel, end_all
from iris.domain.jobs import Attempt, Job, Task
from iris.domain.resources import Resources
from iris.domain.states import SliceState, TaskState, WorkerState
from iris.errors import NotThere
from iris.planning.plans import Expired, Placement, SchedulingPlan


def commit_scheduling(change: Change, plan: SchedulingPlan) -> SchedulingPlan:
    """Assign what still fits; returns the placements that held."""
    for each in plan.expired:
        _expire(change, each)
    free: dict[str, Resources] = {}
    held = []
    for placement in plan.placements:
        tasks = _tasks_that_fit(change, placement, free)
        if not tasks or (placement.gang and len(tasks) < len(placement.tasks)):
            continue
        job = change.job(placement.job_uid)
        for task, worker_uid in tasks:
            free[worker_uid] -= _needed(change, job, task, worker_uid)
        _assign(change, job, placement.gang, tasks)
        held.append(replace(placement, tasks=tuple((t.index, w) for t, w in tasks)))
    return replace(plan, placements=tuple(held))


def _expire(change: Change, expired: Expired) -> None:
    job = change.tables.jobs.get(expired.job_uid)
    if job is None or job.cancelled_by:
        return  # it ended, or was cancelled, meanwhile
    if job.held_until:
        because = f"its hold ended at {moment(job.held_until)}, while it waited: "
        cancel(change, job.uid, "the end of its hold", because + expired.because)
        return
    if job.has_started or change.tables.tasks[job.uid].have_run:
        return  # meanwhile
    seconds = job.spec.scheduling_timeout
    because = f"it did not start within {seconds:g} s: {expired.because}"
    by = "its scheduling timeout"
    change.put_job(replace(job, cancelled_by=by, is_late=True, because=because))
    end_all(change, job.uid)


def _tasks_that_fit(
    change: Change, placement: Placement, free: dict[str, Resources]
) -> list[tuple[Task, str]]:
    try:
        job = change.job(placement.job_uid)
    except NotThere:
        return []
    if job.cancelled_by or job.waits_for:
        return []
    promised = dict(free)
    fitting = []
    for index, worker_uid in placement.tasks:
        task = _waiting_task(change, job, index)
        if task is None or not _takes_work(change, worker_uid):
            continue
        worker = change.worker(worker_uid)
        left = promised.get(worker_uid) or change.tables.free_on(worker)
        free.setdefault(worker_uid, left)
        need = _needed(change, job, task, worker_uid)
        if need.is_within(left):
            promised[worker_uid] = left - need
            fitting.append((task, worker_uid))
    return fitting


def _needed(change: Change, job: Job, task: Task, worker_uid: str) -> Resources:
    """What the task takes from others on that worker: all, if it goes alone."""
    if task.goes_alone and not job.spec.gang:
        return change.worker(worker_uid).resources
    return job.spec.resources


def _waiting_task(change: Change, job: Job, index: int) -> Task | None:
    try:
        task = change.task(job.uid, index)
    except NotThere:
        return None
    is_ready = task.state is TaskState.PENDING and task.not_before <= change.now
    return task if is_ready else None


def _takes_work(change: Change, worker_uid: str) -> bool:
    worker = change.tables.workers.get(worker_uid)
    if worker is None or worker.draining or worker.state is not WorkerState.HEALTHY:
        return False
    if worker_uid in change.tables.ending:
        return False
    return change.tables.slices[worker.slice_name].state is SliceState.READY


def _assign(
    change: Change, job: Job, is_gang: bool, tasks: list[tuple[Task, str]]
) -> None:
    gang_uid = change.new_id("g") if is_gang else ""
    for task, worker_uid in tasks:
        worker = change.worker(worker_uid)
        attempt = Attempt(
            uid=change.new_id("a"),
            job_uid=job.uid,
            task_index=task.index,
            number=task.attempts,
            worker_uid=worker_uid,
            slice_name=worker.slice_name,
            worker_index=worker.index,
            resources=_needed(change, job, task, worker_uid),
            gang_uid=gang_uid,
            resumes=task.reason if task.attempts else "",
            assigned_at=change.now,
        )
        change.put_attempt(attempt)
        change.put_task(
            replace(
                task,
                state=TaskState.ASSIGNED,
                attempts=task.attempts + 1,
                attempt_uid=attempt.uid,
                reason="",
            )
        )
    _tell(change, job, tasks)


def _tell(change: Change, job: Job, tasks: list[tuple[Task, str]]) -> None:
    """One event for all tasks of a job that went to one slice together."""
    by_slice: dict[str, list[Task]] = {}
    for task, worker_uid in tasks:
        slice_name = change.worker(worker_uid).slice_name
        by_slice.setdefault(slice_name, []).append(task)
    for slice_name, placed in by_slice.items():
        change.event(
            "tasks assigned",
            job=job,
            slice_name=slice_name,
            task=placed[0].index,
            count=len(placed),
        )
