"""How much one user may have at once, as a round of the scheduler shares it out."""

from __future__ import annotations

from iris.domain.jobs import Job
from iris.domain.resources import Resources, UserLimits
from iris.planning.snapshot import PendingJob, Snapshot

_PLENTY = 1_000_000_000


class Allowance:
    """What is left to each user, first come first served; it is promised away."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._limits = snapshot.user_limits
        self._is_limited = self._limits != UserLimits()
        self._tasks = {held.user: held.tasks for held in snapshot.held}
        self._chips = {held.user: held.chips for held in snapshot.held}

    def take(self, pending: PendingJob, count: int) -> int:
        """How many of `count` tasks of a job its user may start; all of a gang or none.

        What finds no place keeps its share: it is next where a slice comes for it.
        """
        if not self._is_limited:
            return count
        job = pending.job
        user, chips = job.user, job.spec.resources.chips
        may = min(count, self._tasks_left(user), self._copies_left(user, chips))
        may = 0 if job.spec.gang and may < count else max(may, 0)
        self._tasks[user] = self._tasks.get(user, 0) + may
        self._chips[user] = self._chips.get(user, 0) + may * chips
        return may

    def why(self, job: Job) -> str:
        """What holds the user's next task back."""
        user, chips = job.user, job.spec.resources.chips
        if self._copies_left(user, chips) < self._tasks_left(user):
            has = f"{self._chips.get(user, 0)} chips"
            most, key = f"{self._limits.chips}", "chips"
        else:
            has = f"{self._tasks.get(user, 0)} tasks"
            most, key = f"{self._limits.running_tasks}", "running_tasks"
        return (
            f"{user} has {has} at work or next in line, of {most} that one user may "
            f"have (user_limits/{key})"
        )

    def _tasks_left(self, user: str) -> int:
        most = self._limits.running_tasks or _PLENTY
        return most - self._tasks.get(user, 0)

    def _copies_left(self, user: str, chips: int) -> int:
        if not self._limits.chips or not chips:
            return _PLENTY
        return (self._limits.chips - self._chips.get(user, 0)) // chips


def never_allowed(need: Resources, tasks: int, limits: UserLimits) -> str:
    """Why tasks that have to start together never will; empty if they may."""
    chips = need.chips * tasks
    if limits.chips and chips > limits.chips:
        return f"it needs {chips} chips at once, and one user may have {limits.chips}"
    if limits.running_tasks and tasks > limits.running_tasks:
        most = limits.running_tasks
        return f"its {tasks} tasks start together, and one user may have {most} at once"
    return ""
