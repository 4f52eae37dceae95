"""Until when a job stays where it is for the sake of its visitors, in words."""

from __future__ import annotations

import time

from iris.controller.tables import Tables
from iris.domain.jobs import Attempt, Job


def words_of_stay(tables: Tables, job: Job) -> str:
    """Empty where it runs for its own sake."""
    if not job.spec.hold:
        return ""
    starts = [each.running_at for each in _live(tables, job) if each.running_at]
    if not starts:
        return ""
    until = moment(max(starts) + job.spec.hold)
    return f"it holds its slice until {until}; `inv job.exec {job.name} -it` gets in"


def moment(at: float) -> str:
    """A time as people of all time zones read it."""
    return time.strftime("%d %b %H:%M UTC", time.gmtime(at))


def _live(tables: Tables, job: Job) -> list[Attempt]:
    tasks = tables.tasks[job.uid].touched.values()
    found = (tables.attempts.get(task.attempt_uid) for task in tasks)
    return [attempt for attempt in found if attempt is not None]
