"""The end of jobs, and what it means for those that were to run after them."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.transitions.jobs import cancel, cancel_children
from iris.domain.jobs import AfterEnd, Job
from iris.domain.states import TASK_ENDED, JobState, TaskState
from iris.errors import NotThere


def settle_jobs(change: Change) -> None:
    """End every job whose last task has ended in this transition.

    The end of one may be that of others: of those that were to run after it, and of
    its children, which may have been looked at already.
    """
    ended: set[str] = set()
    seen: set[str] = set()
    while fresh := sorted(change.jobs_touched - seen):
        seen.update(fresh)
        for job_uid in fresh:
            if job_uid not in ended and _settle_job(change, job_uid):
                ended.add(job_uid)
                seen = set(ended)


def _settle_job(change: Change, job_uid: str) -> bool:
    """Has it ended just now?"""
    try:
        job = change.job(job_uid)
    except NotThere:
        return False
    if job_uid not in change.tables.tasks or _open_count(change, job):
        return False
    _end_job(change, job)
    return True


def _open_count(change: Change, job: Job) -> int:
    tasks = change.tables.tasks[job.uid]
    count = 0 if job.cancelled_by else tasks.fresh_count()
    written = {task.index: task for task in change.tasks_in_change(job.uid)}
    count += sum(1 for index in tasks.touched if index not in written)
    count += sum(1 for task in written.values() if task.state not in TASK_ENDED)
    fresh_written = sum(1 for index in written if index not in tasks.touched)
    return count if job.cancelled_by else count - fresh_written


def _end_job(change: Change, job: Job) -> None:
    counts = Counter(change.tables.tasks[job.uid].counts())
    for task in change.tasks_in_change(job.uid):
        counts[change.tables.tasks[job.uid].state(task.index)] -= 1
        counts[task.state] += 1
    if counts[TaskState.FAILED] or job.is_late:
        final = JobState.FAILED
    elif job.cancelled_by:
        final = JobState.CANCELLED
    else:
        final = JobState.SUCCEEDED
    change.put_job(replace(job, ended_at=change.now, final_state=final))
    change.event(f"job {final}", because=job.because, job=job)
    cancel_children(change, job, f"job {job.name}, which submitted it, {final}")
    for follower_uid in sorted(change.tables.followers.get(job.uid, ())):
        _tell_follower(change, follower_uid, job, final)


def _tell_follower(change: Change, uid: str, first: Job, final: JobState) -> None:
    """A job that was to run after `first` may begin now, or never will."""
    if uid not in change.tables.jobs or (job := change.job(uid)).cancelled_by:
        return
    asked = [each for each in job.waits_for if each.uid == first.uid]
    if final is not JobState.SUCCEEDED and any(
        each.on is AfterEnd.SUCCESS for each in asked
    ):
        because = f"job {first.name}, after whose success it was to run, {final}"
        cancel(change, uid, "the job before it", because)
        return
    left = tuple(each for each in job.waits_for if each.uid != first.uid)
    released_at = 0.0 if left else change.now
    change.put_job(replace(job, waits_for=left, released_at=released_at))
    if not left:
        change.event("job released", because=f"job {first.name} {final}", job=job)
