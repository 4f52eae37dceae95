"""Whether a person may get into a task now, and what to do if not."""

from __future__ import annotations

from iris.domain.jobs import Attempt, Job
from iris.domain.states import TASK_ENDED, AttemptState, TaskState
from iris.domain.views import TaskView


def why_closed(job: Job, task: TaskView, attempt: Attempt | None) -> tuple[str, str]:
    """Why nobody gets in, and what to do about it; empty words where one does."""
    name = f"task {task.index} of job {job.name}"
    if task.state in TASK_ENDED:
        words = f"{name} has ended ({task.state}): there is nothing to get into"
        hint = f"`inv job.logs {job.name}` shows what it wrote."
        if not task.attempts:
            return (
                words,
                f"It was never attempted: `inv job.status {job.name}` says why.",
            )
        if task.state is TaskState.FAILED and not job.spec.keep_on_failure:
            hint += " `--keep-on-failure 30m` would have kept its place."
        return words, hint
    if attempt is None:
        words = f"{name} waits: {task.because or 'it has not started yet'}"
        return words, f"`inv probe.why {job.name}` says more; try again once it runs."
    if attempt.stop_because:
        return f"{name} is ending: {attempt.stop_because}", ""
    if attempt.state is not AttemptState.RUNNING:
        words = f"{name} does not run yet: its attempt is {attempt.state}"
        words += f" ({attempt.detail})" if attempt.detail else ""
        return words, f"Try again once `inv job.status {job.name}` says `running`."
    return "", ""
