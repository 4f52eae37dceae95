"""Cancellation, and the end of tasks and jobs."""

from __future__ import annotations

import math

from msgspec.structs import replace

from iris.controller.change import Change
from iris.domain.jobs import (
    Attempt,
    EndCause,
    Job,
    Task,
)
from iris.domain.states import (
    ATTEMPT_ENDED,
    TASK_ENDED,
    TASK_MOVES,
    AttemptState,
    TaskState,
    require_move,
)

# An attempt that failed sooner than this is tried again only after a pause.
FAST_FAILURE = 10.0  # seconds
LONGEST_PAUSE = 60.0  # seconds
# Its machine was heard for less than so many seconds after the attempt had begun.
EARLY_LOSS = 30.0
LONGEST_EARLY_PAUSE = 1800.0  # seconds; each further try may cost a slice
_MACHINE_DIED = frozenset({EndCause.WORKER_LOST, EndCause.VANISHED})


def cancel(change: Change, job_uid: str, by: str, because: str) -> None:
    """Ask for a job's end: what waits ends now, what runs gets its signal."""
    job = change.job(job_uid)
    if job.cancelled_by:
        return
    because = because or f"cancelled by {by}"
    change.put_job(replace(job, cancelled_by=by, because=because))
    change.event("job cancelled", because=because, job=job)
    end_all(change, job_uid)
    cancel_children(change, job, f"job {job.name}, which submitted it, was cancelled")


def end_all(change: Change, job_uid: str) -> None:
    """The tasks of a job whose end is asked for: those that wait, those that run."""
    job = change.job(job_uid)
    # what this transition has written already goes before what was there
    written = {task.index: task for task in change.tasks_in_change(job_uid)}
    for task in (change.tables.tasks[job_uid].touched | written).values():
        if task.state is TaskState.PENDING:
            end_task(change, task, job.end_of_untried, job.because)
        elif task.state not in TASK_ENDED and task.attempt_uid:
            stop_attempt(change, change.attempt(task.attempt_uid), job.because)


def cancel_children(change: Change, parent: Job, because: str) -> None:
    """What a job has submitted ends with it, however it does."""
    for uid in sorted(change.tables.children.get(parent.uid, ())):
        if uid in change.tables.jobs and not change.job(uid).ended_at:
            cancel(change, uid, "its parent", because)


def stop_attempt(change: Change, attempt: Attempt, because: str) -> None:
    """Want the end of an attempt; the first reason stands, but for a departure."""
    is_wanted = attempt.stop_because and attempt.stop_cause is None
    if attempt.state in ATTEMPT_ENDED or is_wanted:
        return
    stop_by = change.now + change.job(attempt.job_uid).spec.stop_grace
    stop_by = min(stop_by, attempt.stop_by) if attempt.stop_cause else stop_by
    change.put_attempt(
        replace(attempt, stop_because=because, stop_by=stop_by, stop_cause=None)
    )


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
    if to is TaskState.FAILED:
        _blame(change, task, because)


def _blame(change: Change, task: Task, because: str) -> None:
    """The first failure of a job's is its reason, also where it was kept for a while.

    A job that is cancelled fails of nothing later.
    """
    job = change.job(task.job_uid)
    if job.blamed_task >= 0 or job.is_late:
        return
    # the end of a gang names the task, or the machine, that was its cause
    words = because if job.spec.gang else f"task {task.index}: {because}"
    if job.cancelled_by:
        words = f"{words}; its place was given up: {job.because}"
    change.put_job(
        replace(
            job,
            because=words,
            blamed_task=task.index,
            blamed_attempt=task.attempts - 1,
        )
    )


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
    elif job.cancelled_by and attempt.had_failed:
        end_task(change, task, TaskState.FAILED, because, attempt.exit_code)
    elif job.cancelled_by:
        end_task(change, task, job.end_of_untried, job.because, attempt.exit_code)
    elif is_charged(attempt):
        charge_failure(change, task, attempt, because)
    else:
        charge_loss(change, task, because, attempt)


def is_charged(attempt: Attempt) -> bool:
    """Was the end the user's own doing? Ends that we asked for never are."""
    is_failure = attempt.state is AttemptState.FAILED
    if not is_failure or attempt.cause is EndCause.PREPARE_FAILED:
        return False
    is_own = attempt.cause in (EndCause.OUT_OF_MEMORY, EndCause.TIMED_OUT)
    return is_own or not attempt.stop_because or attempt.had_failed


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

    Where `attempt` could not be prepared, the next would meet the same at once; where
    machines die soon after its starts it may be what kills them, and waits ever longer.
    """
    spec = change.job(task.job_uid).spec
    was_early = attempt is not None and _was_early(change, attempt)
    early = task.early_losses + 1 if was_early else 0
    task = replace(task, losses=task.losses + 1, early_losses=early)
    if task.losses > spec.max_losses:
        if task.losses > 1:
            because = f"lost {task.losses} times, the last time: {because}"
        end_task(change, task, TaskState.FAILED, because)
    else:
        pause = 0.0
        if attempt is not None and attempt.cause is EndCause.PREPARE_FAILED:
            pause = pause_after(change, attempt, task.losses)
        if early > 1:  # a machine may die once
            pause = min(float(2 ** min(early, 20)), LONGEST_EARLY_PAUSE)
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


def _was_early(change: Change, attempt: Attempt) -> bool:
    """Did the machine die soon after the attempt's start, whenever that was noticed?"""
    began = attempt.running_at or attempt.assigned_at
    heard_at: float = change.tables.heard.get(attempt.worker_uid, math.inf)
    return attempt.cause in _MACHINE_DIED and heard_at - began < EARLY_LOSS


def describe_end(attempt: Attempt) -> str:
    """One sentence on how an attempt ended, for people."""
    how = attempt.detail
    if not how and attempt.exit_code is not None:
        how = f"exit status {attempt.exit_code}"
    cause = attempt.cause.replace("-", " ") if attempt.cause else str(attempt.state)
    where = f"attempt {attempt.number} on {attempt.slice_name}/{attempt.worker_index}"
    return f"{where} {cause}: {how}" if how else f"{where} {cause}"
