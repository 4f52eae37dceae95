"""A task and an attempt as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping

from iris.domain.jobs import Attempt, Job, Task
from iris.domain.states import ATTEMPT_ENDED, AttemptState
from iris.domain.views import AttemptView, TaskView
from iris.errors import NotThere


def task_view(job: Job, task: Task, attempts: Mapping[str, Attempt]) -> TaskView:
    """A task, with what its last attempt tells of it."""
    attempt = attempts.get(task.attempt_uid)
    return TaskView(
        job=job.name,
        index=task.index,
        state=task.state,
        attempts=task.attempts,
        failures=task.failures,
        losses=task.losses,
        because=task.reason or _words_of(attempt),
        exit_code=task.exit_code,
        worker_uid=attempt.worker_uid if attempt else "",
        slice_name=attempt.slice_name if attempt else "",
        variables=job.spec.variables_of(task.index),
    )


def require_task(job: Job, index: int) -> None:
    """Raises NotThere, with the tasks that there are."""
    last = job.spec.tasks - 1
    if not 0 <= index <= last:
        has = f"its tasks are 0 to {last}" if last else "its only task is 0"
        raise NotThere(
            f"job {job.name} has no task {index}: {has}",
            hint=f"`inv job.status {job.name}` shows what became of them.",
        )


def _words_of(attempt: Attempt | None) -> str:
    """What a live attempt waits for, or has been asked for."""
    if attempt is None or attempt.state in ATTEMPT_ENDED:
        return ""
    if attempt.stop_because:
        return f"asked to end: {attempt.stop_because}"
    return attempt.detail if attempt.state is AttemptState.PREPARING else ""


def attempt_view(job: Job, attempt: Attempt) -> AttemptView:
    """An attempt as the API shows it."""
    return AttemptView(
        uid=attempt.uid,
        job=job.name,
        task=attempt.task_index,
        number=attempt.number,
        state=attempt.state,
        slice_name=attempt.slice_name,
        worker_uid=attempt.worker_uid,
        worker_index=attempt.worker_index,
        assigned_at=attempt.assigned_at,
        running_at=attempt.running_at,
        ended_at=attempt.ended_at,
        exit_code=attempt.exit_code,
        cause=attempt.cause,
        detail=attempt.detail,
    )
