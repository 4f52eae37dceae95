"""Until when a job stays where it is for the sake of its visitors, in words."""

from __future__ import annotations

import time

from iris.controller.tables import Tables
from iris.domain.jobs import Attempt, Job


def words_of_stay(tables: Tables, job: Job) -> str:
    """Empty where it runs for its own sake."""
    if not (job.spec.hold or job.spec.keep_on_failure):
        return ""
    live = _live(tables, job)
    for attempt in live:
        if attempt.kept_until:
            return _words_of_place(job, attempt)
    if not job.held_until or not any(each.running_at for each in live):
        return ""
    until = moment(job.held_until)
    return f"it holds its slice until {until}; `inv job.exec {job.name} -it` gets in"


def words_of_waiting(job: Job, because: str) -> str:
    """Why it waits; a hold that has begun ends all the same."""
    if not job.held_until:
        return because
    return f"{because}; its hold ends at {moment(job.held_until)} all the same"


def _words_of_place(job: Job, attempt: Attempt) -> str:
    name = f"{job.name}/{attempt.task_index}"
    return (
        f"attempt {attempt.number} of task {attempt.task_index} {attempt.detail}: "
        f"`inv job.exec {name} -it` gets in, `inv job.cancel {job.name}` gives it up"
    )


def moment(at: float) -> str:
    """A time as people of all time zones read it."""
    return time.strftime("%d %b %H:%M UTC", time.gmtime(at))


def second(at: float) -> str:
    """A time within the next minutes."""
    return time.strftime("%H:%M:%S UTC", time.gmtime(at))


def _live(tables: Tables, job: Job) -> list[Attempt]:
    tasks = tables.tasks[job.uid].touched.values()
    found = (tables.attempts.get(task.attempt_uid) for task in tasks)
    return [attempt for attempt in found if attempt is not None]
