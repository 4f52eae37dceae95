"""Submission, cancellation, and the end of tasks and jobs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.transitions.naming import free_name
from iris.domain.jobs import (
    After,
    Attempt,
    EndCause,
    Job,
    JobSpec,
    Owner,
    SameName,
    Task,
)
from iris.domain.resources import UserLimits
from iris.domain.states import (
    ATTEMPT_ENDED,
    TASK_MOVES,
    AttemptState,
    TaskState,
    require_move,
)
from iris.domain.views import Submission
from iris.errors import Conflict, JobRefused
from iris.planning.limits import never_allowed

# An attempt that failed sooner than this is tried again only after a pause.
FAST_FAILURE = 10.0  # seconds
LONGEST_PAUSE = 60.0  # seconds


def submit(
    change: Change,
    submissions: Sequence[Submission],
    owner: Owner,
    limits: UserLimits = UserLimits(),
) -> tuple[str, ...]:
    """Accept jobs and return their uids; a known client id gives the same job."""
    known: dict[str, str] = {}
    taken: set[str] = set()
    uids = []
    for submission in submissions:
        client_id = submission.client_id
        uid = known.get(client_id) or change.tables.client_ids.get(client_id)
        if uid is None:
            uid = _take(change, submission, owner, taken)
            known[client_id] = uid
        uids.append(uid)
    if limits != UserLimits():
        _require_within(change, owner.user, limits)
    return tuple(uids)


def _require_within(change: Change, user: str, limits: UserLimits) -> None:
    """Refuse new jobs that could never start, or are more than a user may have."""
    new = change.jobs_accepted()
    for job in new:
        together = job.spec.tasks if job.spec.gang else 1
        never = never_allowed(job.spec.resources, together, limits)
        if never:
            raise JobRefused(f"job {job.name}: {never}")
    waiting = sum(job.spec.tasks for job in new)
    if not limits.pending_tasks or not waiting:
        return
    waiting += sum(
        change.tables.tasks[job.uid].counts().get(TaskState.PENDING, 0)
        for job in change.tables.jobs.values()
        if job.user == user
    )
    if waiting > limits.pending_tasks:
        raise Conflict(
            f"{user} would have {waiting} waiting tasks, of {limits.pending_tasks} "
            "that one user may have (user_limits/pending_tasks)",
            hint="Submit again once some have started, or fewer at a time.",
        )


def _take(change: Change, submission: Submission, owner: Owner, taken: set[str]) -> str:
    """By the policy for names that are taken: a new job, or the one that is live."""
    policy, name = submission.spec.same_name, submission.spec.name
    live = None if policy is SameName.NUMBER else _live_namesake(change, name)
    if live is None:
        return _accept(change, submission, owner, taken).uid
    if policy is SameName.REFUSE or live.user != owner.user:
        raise Conflict(
            f"job {live.name} of {live.user} is live, and same_name is {policy}",
            hint="Another name, or another same_name, or wait until it has ended.",
        )
    if policy is SameName.KEEP:
        return live.uid
    job = _accept(change, submission, owner, taken)
    cancel(change, live.uid, owner.user, f"replaced by job {job.name}")
    return job.uid


def _live_namesake(change: Change, name: str) -> Job | None:
    """The newest live job that was asked for by the name and is not on its way out."""
    jobs = [j for j in change.tables.jobs.values() if j.asked_name == name]
    live = [each for each in jobs if not each.cancelled_by]
    return max(live, key=lambda each: each.order, default=None)


def _accept(
    change: Change, submission: Submission, owner: Owner, taken: set[str]
) -> Job:
    if owner.parent and owner.parent not in change.tables.jobs:
        raise Conflict(f"job {owner.parent}, which submits it, has ended")
    names = change.tables.names
    name = free_name(submission.spec.name, lambda n: n in names or n in taken)
    taken.add(name)
    job = Job(
        uid=change.new_id("j"),
        spec=replace(submission.spec, name=name),
        user=owner.user,
        parent=owner.parent,
        client_id=submission.client_id,
        submitted_at=change.now,
        order=change.next_seq,
        asked_name=submission.spec.name,
        waits_for=_still_live(change, submission.spec),
    )
    change.put_job(job)
    change.event("job submitted", job=job, count=job.spec.tasks, task=0)
    return job


def _still_live(change: Change, spec: JobSpec) -> tuple[After, ...]:
    for first in spec.after:
        if first.uid not in change.tables.jobs:
            raise Conflict(
                f"job {first.job} ended at this moment", hint="Submit once more."
            )
    return spec.after


def cancel(change: Change, job_uid: str, by: str, because: str) -> None:
    """Ask for a job's end: what waits ends now, what runs gets its signal."""
    job = change.job(job_uid)
    if job.cancelled_by:
        return
    because = because or f"cancelled by {by}"
    change.put_job(replace(job, cancelled_by=by, because=because))
    change.event("job cancelled", because=because, job=job)
    for task in list(change.tables.tasks[job_uid].touched.values()):
        if task.state is TaskState.PENDING:
            end_task(change, task, TaskState.CANCELLED, because)
        elif task.attempt_uid:
            stop_attempt(change, change.attempt(task.attempt_uid), because)
    cancel_children(change, job, f"job {job.name}, which submitted it, was cancelled")


def cancel_children(change: Change, parent: Job, because: str) -> None:
    """What a job has submitted ends with it, however it does."""
    for uid in sorted(change.tables.children.get(parent.uid, ())):
        if uid in change.tables.jobs and not change.job(uid).ended_at:
            cancel(change, uid, "its parent", because)


def stop_attempt(change: Change, attempt: Attempt, because: str) -> None:
    """Want the end of an attempt; the first reason stands."""
    if attempt.state not in ATTEMPT_ENDED and not attempt.stop_because:
        stop_by = change.now + change.job(attempt.job_uid).spec.stop_grace
        change.put_attempt(replace(attempt, stop_because=because, stop_by=stop_by))


def end_task(
    change: Change,
    task: Task,
    to: TaskState,
    because: str,
    exit_code: int | None = None,
) -> None:
    """A task's last state."""
    require_move(TASK_MOVES, f"task {task.index}", task.state, to)
    change.put_task(
        replace(
            task, state=to, reason=because, exit_code=exit_code, ended_at=change.now
        )
    )
    job = change.job(task.job_uid)
    if to is TaskState.FAILED and not job.because:
        blamed = replace(
            job,
            because=f"task {task.index}: {because}",
            blamed_task=task.index,
            blamed_attempt=task.attempts - 1,
        )
        change.put_job(blamed)


def return_task(change: Change, task: Task, because: str, pause: float = 0.0) -> None:
    """Back in line for the next attempt, `pause` seconds from now at the earliest."""
    require_move(TASK_MOVES, f"task {task.index}", task.state, TaskState.PENDING)
    change.put_task(
        replace(
            task,
            state=TaskState.PENDING,
            attempt_uid="",
            reason=because,
            not_before=change.now + pause if pause else 0.0,
            pending_since=change.now,
        )
    )


def settle_single(change: Change, attempt: Attempt) -> None:
    """The end of an attempt that belongs to no gang decides over its task."""
    task = change.task(attempt.job_uid, attempt.task_index)
    job = change.job(attempt.job_uid)
    because = describe_end(attempt)
    if attempt.state is AttemptState.SUCCEEDED:
        end_task(change, task, TaskState.SUCCEEDED, "", attempt.exit_code)
    elif job.cancelled_by:
        end_task(change, task, TaskState.CANCELLED, job.because, attempt.exit_code)
    elif is_charged(attempt):
        charge_failure(change, task, attempt, because)
    else:
        charge_loss(change, task, because, attempt)


def is_charged(attempt: Attempt) -> bool:
    """Was the end the user's own doing? Ends that we asked for never are."""
    is_failure = attempt.state is AttemptState.FAILED
    if not is_failure or attempt.cause is EndCause.PREPARE_FAILED:
        return False
    return not attempt.stop_because or attempt.cause in (
        EndCause.OUT_OF_MEMORY,
        EndCause.TIMED_OUT,
    )


def charge_failure(change: Change, task: Task, attempt: Attempt, because: str) -> None:
    """A failure of the user's: try again within the job's budget."""
    spec = change.job(task.job_uid).spec
    task = replace(task, failures=task.failures + 1)
    if task.failures > spec.max_retries:
        end_task(change, task, TaskState.FAILED, because, attempt.exit_code)
    else:
        return_task(change, task, because, pause_after(change, attempt, task.failures))


def charge_loss(
    change: Change, task: Task, because: str, attempt: Attempt | None = None
) -> None:
    """A loss, never the user's: try again within the budget for losses.

    Where `attempt` could not be prepared, the next would meet the same at once.
    """
    spec = change.job(task.job_uid).spec
    task = replace(task, losses=task.losses + 1)
    if task.losses > spec.max_losses:
        because = f"lost {task.losses} times, the last time: {because}"
        end_task(change, task, TaskState.FAILED, because)
    else:
        pause = 0.0
        if attempt is not None and attempt.cause is EndCause.PREPARE_FAILED:
            pause = pause_after(change, attempt, task.losses)
        return_task(change, task, because, pause)


def pause_after(change: Change, attempt: Attempt, failures: int) -> float:
    """Seconds before the next attempt: doubled with each fast failure."""
    if not was_fast(change, attempt):
        return 0.0
    return min(float(2 ** min(failures - 1, 10)), LONGEST_PAUSE)


def was_fast(change: Change, attempt: Attempt) -> bool:
    """Did it end so soon that the same again would only burn attempts?"""
    began = attempt.running_at or attempt.assigned_at
    return change.now - began < FAST_FAILURE


def describe_end(attempt: Attempt) -> str:
    """One sentence on how an attempt ended, for people."""
    how = attempt.detail
    if not how and attempt.exit_code is not None:
        how = f"exit status {attempt.exit_code}"
    cause = attempt.cause.replace("-", " ") if attempt.cause else str(attempt.state)
    where = f"attempt {attempt.number} on {attempt.slice_name}/{attempt.worker_index}"
    return f"{where} {cause}: {how}" if how else f"{where} {cause}"
