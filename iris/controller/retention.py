"""Lets go what is above the bounds of retention, a bounded part of it in each turn.

The order makes a crash at any line harmless: a row that promises something goes
first, and is durable, before what it promised goes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cache

from iris.controller.archive import Archive
from iris.controller.frames import Reason
from iris.controller.history import PastJob
from iris.controller.parts import Parts
from iris.controller.transitions.forgetting import needed_by_live
from iris.domain.costs import Work
from iris.domain.disk import DiskLevel, DiskUse
from iris.domain.retention import words_of_removal
from iris.planning.costs import key_of, sum_by_day
from iris.planning.retention import (
    BUNDLE_REST,
    GO_ON,
    EndedJob,
    Past,
    Removal,
    RetentionBounds,
    RetentionPlan,
    plan_retention,
)

_LEARN_AT_ONCE = 1000  # rows of jobs read in one turn
_TASKS_AT_ONCE = 2000  # rows of tasks dropped in one commit
_OUTPUTS_KNOWN_FOR = 60.0  # seconds between looks at the sizes of outputs
_LOG = logging.getLogger(__name__)


class Retention:
    """One turn after the other; remembers what it knows of ended jobs."""

    def __init__(self, parts: Parts, archive: Archive, bounds: RetentionBounds) -> None:
        self._parts = parts
        self._archive = archive
        self._bounds = bounds
        self._ended: dict[str, EndedJob] = {}  # in order of their ends
        self._learnt_at = 0.0  # the end of the last job that was learnt
        self._seq = -1  # of State, when all ends were learnt
        self._outputs: dict[str, int] = {}
        self._outputs_at = 0.0
        self._has_swept = False

    def retain_once(self) -> float:
        """Look, plan, and carry it out; returns when to look again."""
        parts, now = self._parts, self._parts.clock.now()
        parts.disk.keep_ballast()
        parts.logs.say_lost()
        if not self._has_swept:
            self._sweep()
        self._learn()
        if self._finish() or not self._knows_all:
            return now + GO_ON
        plan = plan_retention(self._past(now), self._bounds, now)
        self._forget(plan)
        self._drop("log", plan.logs)
        self._drop("outputs", plan.outputs)
        self._drop_bundles(plan.bundles, now)
        return now + GO_ON if self._finish() else plan.next_at

    # -- what there is ---------------------------------------------------------------

    @property
    def _knows_all(self) -> bool:
        return self._seq >= 0

    def _sweep(self) -> None:
        """What a crash left of jobs that nobody knows goes."""
        parts = self._parts
        # the files first: the job of a file that is there is known by then
        left = parts.logs.sizes().keys() | parts.outputs.sizes().keys()
        with parts.state.reading() as tables:
            strays = left - set(tables.client_ids.values())
        self._delete_files(strays)
        self._has_swept = True

    def _learn(self) -> None:
        """Read the jobs that have ended since the last turn."""
        seq = self._parts.state.seq
        if seq == self._seq:
            return
        self._parts.state.wait_durable(seq)
        ended = self._archive.ended_since(self._learnt_at)
        fresh = [uid for uid in ended if uid not in self._ended]
        for job in self._archive.jobs_by_uid(fresh[:_LEARN_AT_ONCE]):
            self._ended[job.uid] = _ended_job(job)
            self._learnt_at = job.ended_at
        self._seq = seq if len(fresh) <= _LEARN_AT_ONCE else -1

    def _past(self, now: float) -> Past:
        parts, use = self._parts, self._parts.disk.use()
        self._look_at_outputs(use, now)
        bundles, log_bytes = parts.bundles.asked_at(), parts.logs.sizes()
        with parts.state.reading() as tables:
            needed = needed_by_live(tables)
            live = frozenset(tables.jobs)
            live_bundles = frozenset(job.spec.bundle for job in tables.jobs.values())
        return Past(
            ended=tuple(self._ended.values()),
            live=live,
            needed=needed,
            log_bytes=log_bytes,
            output_bytes=self._outputs,
            bundles=bundles,
            live_bundles=live_bundles,
            disk=use,
        )

    def _look_at_outputs(self, use: DiskUse, now: float) -> None:
        is_recent = now - self._outputs_at < _OUTPUTS_KNOWN_FOR
        if not (is_recent and use.level is DiskLevel.ROOMY):
            self._outputs = self._parts.outputs.sizes()
            self._outputs_at = now

    # -- what goes -------------------------------------------------------------------

    def _forget(self, plan: RetentionPlan) -> None:
        if not plan.forget:
            return
        uids = [job.uid for job in plan.forget]
        jobs = self._archive.jobs_by_uid(uids)
        if not self._parts.state.forget_jobs(jobs, self._spent(uids), plan.because):
            return
        for uid in uids:
            del self._ended[uid]
        self._parts.metrics.forgotten.inc(len(uids))
        _LOG.info('jobs forgotten count=%d because="%s"', len(uids), plan.because)

    def _spent(self, uids: Sequence[str]) -> tuple[Work, ...]:
        """The sums that the work of some jobs is in, with what they had before."""
        end_of_slice = cache(self._archive.end_of_slice)
        fresh = sum_by_day(self._archive.work_of(uids), end_of_slice)
        former = self._archive.sums(key_of(total) for total in fresh)
        return sum_by_day((*former, *fresh), end_of_slice)

    def _finish(self) -> bool:
        """Go on with jobs that are being forgotten; is there more to do?"""
        state = self._parts.state
        remaining = state.forgetting()
        if not remaining:
            return False
        state.wait_durable()
        self._delete_files(remaining)
        state.forget_tasks(remaining, _TASKS_AT_ONCE)
        return bool(state.forgetting())

    def _delete_files(self, uids: Iterable[str]) -> None:
        for uid in uids:
            self._parts.logs.delete(uid)
            self._parts.outputs.delete(uid)
            self._outputs.pop(uid, None)

    def _drop(self, kind: str, removals: Sequence[Removal]) -> None:
        """Say that logs or outputs go, and let them go once that is durable."""
        if not removals:
            return
        parts = self._parts
        jobs = self._archive.jobs_by_uid([each.job_uid for each in removals])
        by_uid = {job.uid: job for job in jobs}
        for each in removals:
            words = _words(kind, each)
            parts.state.note_dropped(kind, by_uid[each.job_uid], words)
        parts.state.wait_durable()
        for each in removals:
            self._drop_one(kind, each)
        size = sum(each.size for each in removals)
        _LOG.info(
            '%s dropped jobs=%d bytes=%d because="%s"', kind, len(jobs), size, words
        )

    def _drop_one(self, kind: str, removal: Removal) -> None:
        parts = self._parts
        if kind == "log":
            parts.logs.erase(removal.job_uid, Reason(removal.why, removal.bound))
            return
        parts.outputs.delete(removal.job_uid, _words(kind, removal))
        self._outputs.pop(removal.job_uid, None)
        parts.metrics.note_dropped("outputs", removal.why, removal.size)

    def _drop_bundles(self, bundles: Sequence[str], now: float) -> None:
        sizes = [self._parts.bundles.delete(b, now - BUNDLE_REST) for b in bundles]
        if any(sizes):
            count = sum(1 for size in sizes if size)
            _LOG.info("bundles dropped count=%d bytes=%d", count, sum(sizes))


def _ended_job(job: PastJob) -> EndedJob:
    spec = job.spec
    return EndedJob(job.uid, job.ended_at, job.parent, spec.bundle, spec.tasks)


def _words(kind: str, removal: Removal) -> str:
    return words_of_removal(kind, removal.size, removal.why, removal.bound)
