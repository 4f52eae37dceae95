"""What really happened, as the models know it; the controller never sees this.

What must never happen even once is refused here, the moment it happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain

from iris.domain.protocol import AttemptSpec
from iris.domain.resources import NOTHING, Resources


class BrokenPromise(Exception):
    """Something happened that Iris promises never happens."""


class Truth:
    """The processes that run, what they ended with, and what was accepted."""

    def __init__(self) -> None:
        self.accepted: list[str] = []  # uids of jobs whose submission was answered
        self.open: set[str] = set()  # those of them that are not known to have ended
        self.succeeded: set[tuple[str, int]] = set()  # tasks by (job uid, index)
        self.failures: Counter[tuple[str, int]] = Counter()  # the user's own
        self.attempts = 0
        self._known: set[str] = set()
        self._running: dict[tuple[str, int], AttemptSpec] = {}
        self._gangs: dict[str, dict[int, AttemptSpec]] = {}  # members that run
        self._prepared: dict[tuple[str, int, str], set[int]] = {}
        self._held: dict[tuple[str, int], dict[str, AttemptSpec]] = {}
        self._watchers: list[Callable[[AttemptSpec], None]] = []

    def accept(self, job_uid: str) -> bool:
        """A client read that its job was accepted; did it read so before?"""
        was_known = job_uid in self._known
        if not was_known:
            self._known.add(job_uid)
            self.accepted.append(job_uid)
            self.open.add(job_uid)
        return was_known

    def take(self, spec: AttemptSpec, whole: Resources) -> None:
        """A worker begins to prepare an attempt: it holds its resources now."""
        held = self._held.setdefault((spec.slice_name, spec.worker_index), {})
        held[spec.uid] = spec
        used = sum((each.resources for each in held.values()), start=NOTHING)
        if not used.is_within(whole):
            at = f"{spec.slice_name}/{spec.worker_index}"
            raise BrokenPromise(f"worker {at} holds {used} of {whole}: {sorted(held)}")

    def held(self) -> Iterator[AttemptSpec]:
        """All that workers prepare or run."""
        return chain.from_iterable(held.values() for held in self._held.values())

    def when_started(self, watcher: Callable[[AttemptSpec], None]) -> None:
        """Call it with each program that starts."""
        self._watchers.append(watcher)

    def prepared(self, spec: AttemptSpec) -> None:
        key = (spec.job_uid, spec.number, spec.slice_name)
        self._prepared.setdefault(key, set()).add(spec.task_index)

    def start(self, spec: AttemptSpec) -> None:
        """The user's program starts."""
        self.attempts += 1
        task = (spec.job_uid, spec.task_index)
        other = self._running.get(task)
        if other is not None:
            raise BrokenPromise(
                f"task {spec.task_index} of {spec.job} runs twice: {other.uid} on "
                f"{other.slice_name} and {spec.uid} on {spec.slice_name}"
            )
        self._running[task] = spec
        if spec.gang:
            self._start_member(spec)
        for watcher in self._watchers:
            watcher(spec)

    def end(self, spec: AttemptSpec) -> None:
        """The user's program, or what prepared it, is no more."""
        self._held.get((spec.slice_name, spec.worker_index), {}).pop(spec.uid, None)
        task = (spec.job_uid, spec.task_index)
        running = self._running.get(task)
        if running is not None and running.uid == spec.uid:
            del self._running[task]
            self._gangs.get(spec.job_uid, {}).pop(spec.task_index, None)

    def running_of(self, job_uid: str) -> list[AttemptSpec]:
        """What runs of one job."""
        return [spec for spec in self._running.values() if spec.job_uid == job_uid]

    def _start_member(self, spec: AttemptSpec) -> None:
        prepared = self._prepared.get((spec.job_uid, spec.number, spec.slice_name))
        if prepared is None or len(prepared) < spec.num_tasks:
            ready = sorted(prepared or ())
            raise BrokenPromise(
                f"member {spec.task_index} of gang {spec.job} starts while only "
                f"{ready} of {spec.num_tasks} are prepared"
            )
        members = self._gangs.setdefault(spec.job_uid, {})
        for other in members.values():
            if (other.number, other.slice_name) != (spec.number, spec.slice_name):
                raise BrokenPromise(
                    f"gang {spec.job} is split: {other.uid} is attempt {other.number} "
                    f"on {other.slice_name}, {spec.uid} is attempt {spec.number} on "
                    f"{spec.slice_name}"
                )
        if spec.task_index != spec.worker_index:
            raise BrokenPromise(
                f"task {spec.task_index} of gang {spec.job} is on worker "
                f"{spec.worker_index}"
            )
        members[spec.task_index] = spec
