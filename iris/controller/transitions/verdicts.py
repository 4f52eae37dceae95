"""Gangs: stopping the siblings, and one verdict for all."""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.transitions.jobs import (
    charge_loss,
    end_task,
    pause_after,
    return_task,
    stop_attempt,
)
from iris.domain.jobs import Attempt, Job, Task
from iris.domain.states import ATTEMPT_ENDED, TaskState
from iris.errors import NotThere
from iris.planning.plans import Verdict, VerdictPlan


def commit_verdicts(change: Change, plan: VerdictPlan) -> tuple[str, ...]:
    """Stop and settle; returns the uids of the gangs that were settled."""
    for stop in plan.stops:
        try:
            stop_attempt(change, change.attempt(stop.attempt_uid), stop.because)
        except NotThere:
            continue
    settled = [v.gang_uid for v in plan.verdicts if _settle(change, v)]
    return tuple(settled)


def _settle(change: Change, verdict: Verdict) -> bool:
    gang = list(change.tables.gangs.get(verdict.gang_uid, {}).values())
    if not gang or any(member.state not in ATTEMPT_ENDED for member in gang):
        return False
    job = change.job(gang[0].job_uid)
    tasks = [change.task(job.uid, member.task_index) for member in gang]
    outcome = verdict.outcome
    if job.cancelled_by and outcome != "succeeded":
        root = next((m for m in gang if m.uid == verdict.root_attempt_uid), None)
        is_of_before = outcome == "failed" and root is not None and root.had_failed
        outcome = "failed" if is_of_before else "cancelled"
    change.event(
        f"gang {outcome}",
        because=verdict.because,
        job=job,
        task=tasks[0].index,
        count=len(tasks),
        attempt_uid=verdict.root_attempt_uid,
        slice_name=gang[0].slice_name,
    )
    _OUTCOMES[outcome](change, job, gang, verdict)
    return True


def _succeed(change: Change, job: Job, gang: list[Attempt], verdict: Verdict) -> None:
    for member in gang:
        task = change.task(job.uid, member.task_index)
        end_task(change, task, TaskState.SUCCEEDED, "", member.exit_code)


def _cancel(change: Change, job: Job, gang: list[Attempt], verdict: Verdict) -> None:
    because = job.because or verdict.because
    for member in gang:
        task = change.task(job.uid, member.task_index)
        end_task(change, task, job.end_of_untried, because, member.exit_code)


def _lose(change: Change, job: Job, gang: list[Attempt], verdict: Verdict) -> None:
    root = next((m for m in gang if m.uid == verdict.root_attempt_uid), None)
    for member in gang:
        task = change.task(job.uid, member.task_index)
        charge_loss(change, task, verdict.because, root)


def _fail(change: Change, job: Job, gang: list[Attempt], verdict: Verdict) -> None:
    """Only the root's task is charged; all of the gang shares what follows."""
    root = next(m for m in gang if m.uid == verdict.root_attempt_uid)
    charged = change.task(job.uid, root.task_index)
    charged = replace(charged, failures=charged.failures + 1)
    failures = charged.failures + sum(
        change.task(job.uid, m.task_index).failures for m in gang if m is not root
    )
    is_over = failures > job.spec.max_retries or bool(job.cancelled_by)
    pause = pause_after(change, root, failures)
    for member in (root, *(m for m in gang if m is not root)):
        task = change.task(job.uid, member.task_index)
        task = charged if member is root else task
        if is_over:
            _end_failed(change, task, member, verdict)
        else:
            return_task(change, task, verdict.because, pause)


def _end_failed(change: Change, task: Task, member: Attempt, verdict: Verdict) -> None:
    end_task(change, task, TaskState.FAILED, verdict.because, member.exit_code)


_OUTCOMES = {
    "succeeded": _succeed,
    "cancelled": _cancel,
    "lost": _lose,
    "failed": _fail,
}
