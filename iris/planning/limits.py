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
        # user -> the job that is next for what is left
        self._next_for_tasks: dict[str, str] = {}
        self._next_for_chips: dict[str, str] = {}

    def take(self, pending: PendingJob, count: int) -> int:
        """How many of `count` tasks of a job its user may start; all of a gang or none.

        What finds no place keeps its share: it is next where a slice comes for it. And
        what the limit holds back is next for it: younger work would starve big work.
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

    def hold_back(self, job: Job) -> str:
        """Nothing of it for younger work of the user; says what holds the job back."""
        user, chips = job.user, job.spec.resources.chips
        if self._copies_left(user, chips) < self._tasks_left(user):
            has, key = f"{self._chips.get(user, 0)} chips", "chips"
            most, first = self._limits.chips, self._next_for_chips
        else:
            has, key = f"{self._tasks.get(user, 0)} tasks", "running_tasks"
            most, first = self._limits.running_tasks, self._next_for_tasks
        words = (
            f"{user} has {has} at work or next in line, of {most} that one user may "
            f"have (user_limits/{key})"
        )
        older = first.setdefault(user, job.name)
        return words if older == job.name else f"{words}; job {older} comes first"

    def _tasks_left(self, user: str) -> int:
        if user in self._next_for_tasks:
            return 0
        most = self._limits.running_tasks or _PLENTY
        return most - self._tasks.get(user, 0)

    def _copies_left(self, user: str, chips: int) -> int:
        if not self._limits.chips or not chips:
            return _PLENTY
        if user in self._next_for_chips:
            return 0
        return (self._limits.chips - self._chips.get(user, 0)) // chips


def never_allowed(need: Resources, tasks: int, limits: UserLimits) -> str:
    """Why tasks that have to start together never will; empty if they may."""
    chips = need.chips * tasks
    if limits.chips and chips > limits.chips:
        most = f"{limits.chips} (user_limits/chips)"
        return f"it needs {chips} chips at once, and one user may have {most}"
    if limits.running_tasks and tasks > limits.running_tasks:
        most = f"{limits.running_tasks} at once (user_limits/running_tasks)"
        return f"its {tasks} tasks start together, and one user may have {most}"
    return ""
