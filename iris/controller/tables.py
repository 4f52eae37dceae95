"""All live state in memory, and the indexes over it; State alone changes it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain
from typing import Any

from iris.controller.history import PastJob
from iris.controller.job_tasks import JobTasks
from iris.controller.journal import Key, Restored, Row
from iris.domain.access import Grant
from iris.domain.costs import Work
from iris.domain.fleet import Backoff, BootPhase, ScaleGroup, Slice, Worker
from iris.domain.jobs import Answered, Attempt, Job, Task
from iris.domain.resources import NOTHING, Resources
from iris.domain.states import (
    ATTEMPT_ENDED,
    ATTEMPT_STARTING,
    SliceState,
)
from iris.planning.snapshot import Held


class Tables:
    """Live entities by their keys, and the indexes that reads need."""

    def __init__(self, groups: tuple[ScaleGroup, ...], restored: Restored) -> None:
        self.groups = {group.name: group for group in groups}
        self.jobs: dict[str, Job] = {}  # in order of submission
        self.tasks: dict[str, JobTasks] = {}  # by job uid
        self.followers: dict[str, set[str]] = {}  # job uid -> those that wait for it
        self.children: dict[str, set[str]] = {}  # job uid -> jobs that it submitted
        self.attempts: dict[str, Attempt] = {}  # live, or of an unsettled gang
        self.starting: dict[str, Attempt] = {}  # of no gang, and not running yet
        self.stopping: dict[str, Attempt] = {}  # those whose end is wanted
        self.slices: dict[str, Slice] = {}
        self.workers: dict[str, Worker] = {}
        self.grants: dict[str, Grant] = {}
        self.backoffs: dict[tuple[str, str], Backoff] = {}
        self.phases: dict[str, dict[tuple[int, int], BootPhase]] = {}  # by slice
        self.meta = dict(restored.meta)
        self.names, self.client_ids = dict(restored.names), dict(restored.client_ids)
        # by job uid, then by client id, the oldest first
        self.answered: defaultdict[str, dict[str, Answered]] = defaultdict(dict)
        self.worker_attempts: dict[str, dict[str, Attempt]] = {}  # live ones
        self.slice_workers: dict[str, dict[int, Worker]] = {}
        self.gangs: dict[str, dict[str, Attempt]] = {}
        self.heard: dict[str, float] = {}  # worker uid -> receipt of its heartbeat
        self.heartbeat_seqs: dict[str, int] = {}
        self.did_well: dict[str, float] = {}  # worker uid -> its last good end
        self.ending: set[str] = set()  # uids of workers whose keeper was told to end
        self.nudges: dict[str, int] = {}  # as the workers counted them
        self.nudged: dict[str, int] = {}  # as we sent them
        self.unstarted: dict[str, Job] = {}  # that have to start by a time
        self.waiting: dict[str, str] = {}  # job uid -> why its tasks wait
        self._free: dict[str, Resources] = {}  # by worker uid, until attempts change
        self._held: tuple[Held, ...] | None = None  # until attempts change
        self._load(restored)

    def live_of_worker(self, worker_uid: str) -> dict[str, Attempt]:
        """The attempts that hold, or may hold, resources of a worker."""
        return self.worker_attempts.get(worker_uid, {})

    def live_of_slice(self, slice_name: str) -> list[Attempt]:
        """The attempts that hold, or may hold, resources of a slice."""
        workers = self.slice_workers.get(slice_name, {}).values()
        return [a for w in workers for a in self.live_of_worker(w.uid).values()]

    def free_on(self, worker: Worker) -> Resources:
        """What is left of a worker, computed from its live attempts."""
        known = self._free.get(worker.uid)
        if known is not None:
            return known
        used = NOTHING
        for attempt in self.live_of_worker(worker.uid).values():
            used += attempt.resources
        free = self._free[worker.uid] = worker.resources - used
        return free

    def held(self) -> tuple[Held, ...]:
        """What the attempts of each user hold, computed from them.

        A gang holds its whole share until its end is decided: what a lost member
        frees is not for younger work, before the gang is in line again.
        """
        if self._held is None:
            self._held = self._count_held()
        return self._held

    def _count_held(self) -> tuple[Held, ...]:
        tasks: Counter[str] = Counter()
        chips: Counter[str] = Counter()
        for attempt in self.attempts.values():
            user = self.jobs[attempt.job_uid].user  # it lives as long as they
            tasks[user] += 1
            chips[user] += attempt.resources.chips
        return tuple(Held(user, tasks[user], chips[user]) for user in sorted(tasks))

    def answer_to(self, client_id: str) -> Answered | None:
        """Where the client id's job had come under another one."""
        job_uid = self.client_ids.get(client_id, "")
        return self.answered.get(job_uid, {}).get(client_id)

    def apply(self, row: Row) -> None:
        """Make one row change true in memory."""
        table, key, entity = row
        if entity is None:
            self._drop(table, key)
        elif isinstance(entity, str):
            self.meta[str(key[0])] = entity
        else:
            self._put[type(entity)](entity)

    def forget_names(self, jobs: Iterable[PastJob]) -> None:
        """Names and client ids of jobs that are no longer kept are free again."""
        for job in jobs:
            self.answered.pop(job.uid, None)
            for uids, key in (
                (self.names, job.spec.name),
                (self.client_ids, job.client_id),
            ):
                if uids.get(key) == job.uid:
                    del uids[key]

    @cached_property
    def _put(self) -> dict[type, Callable[[Any], None]]:
        return {
            Job: self._put_job,
            Task: self._put_task,
            Attempt: self._put_attempt,
            Slice: self._put_slice,
            Worker: self._put_worker,
            Grant: self._put_grant,
            Backoff: self._put_backoff,
            BootPhase: self._put_phase,
            Answered: self._put_answered,
            Work: lambda _: None,  # sums are read from the database alone
        }

    def _put_worker(self, worker: Worker) -> None:
        self._free.pop(worker.uid, None)
        self.workers[worker.uid] = worker
        self.slice_workers.setdefault(worker.slice_name, {})[worker.index] = worker

    def _put_phase(self, phase: BootPhase) -> None:
        phases = self.phases.setdefault(phase.slice_name, {})
        phases[phase.index, len(phases)] = phase

    def _put_task(self, task: Task) -> None:
        self.tasks[task.job_uid].put(task)

    def _put_grant(self, grant: Grant) -> None:
        self.grants[grant.token_hash] = grant

    def _put_answered(self, answered: Answered) -> None:
        self.client_ids[answered.client_id] = answered.job_uid
        self.answered[answered.job_uid][answered.client_id] = answered

    def _put_backoff(self, backoff: Backoff) -> None:
        self.backoffs[backoff.group, backoff.zone] = backoff

    def _drop(self, table: str, key: Key) -> None:
        match table, key:
            case "grants", (str(token_hash),):
                self.grants.pop(token_hash, None)
            case "backoffs", (str(group), str(zone)):
                self.backoffs.pop((group, zone), None)
            case "answered", (str(client_id),):
                self.answered[self.client_ids.pop(client_id)].pop(client_id)
            case "meta", (str(name),):
                self.meta.pop(name, None)

    def _put_job(self, job: Job) -> None:
        self.names[job.name] = job.uid
        self.client_ids[job.client_id] = job.uid
        self.unstarted.pop(job.uid, None)
        if job.ended_at:
            self.jobs.pop(job.uid, None)
            self.tasks.pop(job.uid, None)
            self.waiting.pop(job.uid, None)
            self.followers.pop(job.uid, None)
            self.children.pop(job.uid, None)
            self.children.get(job.parent, set()).discard(job.uid)
            return
        self.jobs[job.uid] = job
        if job.start_by and not job.cancelled_by:
            self.unstarted[job.uid] = job
        tasks = self.tasks.get(job.uid)
        if tasks is None:
            tasks = self.tasks[job.uid] = JobTasks(job)
        tasks.take_job(job)
        if job.parent:
            self.children.setdefault(job.parent, set()).add(job.uid)
        for first in job.waits_for:
            self.followers.setdefault(first.uid, set()).add(job.uid)

    def _put_attempt(self, attempt: Attempt) -> None:
        self._free.pop(attempt.worker_uid, None)
        self._held = None
        _index(self.starting, attempt, _is_starting(attempt))
        _index(self.stopping, attempt, _is_stopping(attempt))
        if attempt.gang_uid:
            self.gangs.setdefault(attempt.gang_uid, {})[attempt.uid] = attempt
        if attempt.state in ATTEMPT_ENDED:
            self.live_of_worker(attempt.worker_uid).pop(attempt.uid, None)
            if not attempt.gang_uid:
                self.attempts.pop(attempt.uid, None)
                return
        else:
            live = self.worker_attempts.setdefault(attempt.worker_uid, {})
            live[attempt.uid] = attempt
        self.attempts[attempt.uid] = attempt

    def settle_gang(self, gang_uid: str) -> None:
        """Its verdict is durable in its tasks; the attempts leave memory."""
        self._held = None
        for attempt_uid in self.gangs.pop(gang_uid, {}):
            self.attempts.pop(attempt_uid, None)

    def _put_slice(self, slice_: Slice) -> None:
        if slice_.state is not SliceState.DELETED:
            self.slices[slice_.name] = slice_
            return
        self.slices.pop(slice_.name, None)
        self.phases.pop(slice_.name, None)
        for worker in self.slice_workers.pop(slice_.name, {}).values():
            self._forget_worker(worker.uid)

    def note_ending(self, worker_uid: str, *, is_ending: bool) -> None:
        """Was its keeper told to end? Then nothing begins there for the moment."""
        if is_ending:
            self.ending.add(worker_uid)
        else:
            self.ending.discard(worker_uid)

    def _forget_worker(self, uid: str) -> None:
        marks = self.heard, self.heartbeat_seqs, self.did_well, self.nudges, self.nudged
        by_uid: tuple[dict[str, Any], ...] = (
            self.workers,
            self.worker_attempts,
            self._free,
        )
        for kept in (*by_uid, *marks):
            kept.pop(uid, None)
        self.ending.discard(uid)

    def _load(self, restored: Restored) -> None:
        for job in restored.jobs:
            self._put_job(job)
        for task in restored.tasks:
            self.tasks[task.job_uid].put(task)
        for slice_ in restored.slices:
            self._put_slice(slice_)
        for worker in restored.workers:
            self.apply(("workers", (worker.uid,), worker))
        others = restored.grants, restored.backoffs, restored.phases, restored.answered
        for other in chain.from_iterable(others):
            self.apply(("", (), other))
        self._load_attempts(restored.attempts)

    def _load_attempts(self, attempts: tuple[Attempt, ...]) -> None:
        """Live ones, and ended ones whose gang has no verdict yet."""
        for attempt in attempts:
            tasks = self.tasks.get(attempt.job_uid)
            task = tasks.task(attempt.task_index) if tasks else None
            if task is not None and task.attempt_uid == attempt.uid:
                self._put_attempt(attempt)


def _index(found: dict[str, Attempt], attempt: Attempt, belongs: bool) -> None:
    if belongs:
        found[attempt.uid] = attempt
    else:
        found.pop(attempt.uid, None)


def _is_starting(attempt: Attempt) -> bool:
    return (
        attempt.state in ATTEMPT_STARTING
        and not attempt.gang_uid
        and not attempt.stop_because
    )


def _is_stopping(attempt: Attempt) -> bool:
    return bool(attempt.stop_because) and attempt.state not in ATTEMPT_ENDED
