"""Workers on which one job after the other fails fast, while elsewhere work goes well.

A bad program fails wherever it runs, so failures alone prove little: where there is
another worker of the group, it must have done well meanwhile. Where there is none it
takes twice as many jobs.
"""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.transitions.jobs import is_charged, was_fast
from iris.controller.transitions.slices import distrust_slice
from iris.domain.fleet import Worker
from iris.domain.jobs import Attempt, EndCause
from iris.domain.states import ATTEMPT_ENDED, AttemptState

MOST_DOUBTS = 3  # jobs that fail fast on a worker, one after the other
MOST_ALONE = 6  # the same where its group has no other worker to compare it with
_USERS_OWN = frozenset(
    {EndCause.OUT_OF_MEMORY, EndCause.OUTPUTS_REFUSED, EndCause.TIMED_OUT}
)


def note_ends(change: Change, worker_uid: str) -> None:
    """What ended on a worker in this transition speaks for it, or against it."""
    ended = [a for a in change.attempts_in_change() if a.state in ATTEMPT_ENDED]
    if not ended:
        return
    worker = change.worker(worker_uid)
    doubts = worker.doubts
    for attempt in ended:
        if _speaks_for(change, attempt):
            doubts = ()
            change.tables.did_well[worker_uid] = change.now
        elif _speaks_against(change, attempt) and attempt.job_uid not in doubts:
            doubts = (*doubts, attempt.job_uid)[-MOST_ALONE:]
    if doubts == worker.doubts:
        return
    worker = replace(worker, doubts=doubts)
    change.put_worker(worker)
    if not worker.draining and (proof := _proof_against(change, worker)):
        _distrust(change, worker, proof)


def _speaks_for(change: Change, attempt: Attempt) -> bool:
    if attempt.state is AttemptState.SUCCEEDED:
        return True
    return bool(attempt.running_at) and not was_fast(change, attempt)


def _speaks_against(change: Change, attempt: Attempt) -> bool:
    is_unready = attempt.cause is EndCause.PREPARE_FAILED
    is_failure = is_charged(attempt) and attempt.cause not in _USERS_OWN
    return (is_failure or is_unready) and was_fast(change, attempt)


def _proof_against(change: Change, worker: Worker) -> str:
    """What makes of so many failures the machine's; empty if nothing does yet."""
    count = len(worker.doubts)
    others = _others(change, worker)
    if others and count >= MOST_DOUBTS and _do_well(change, worker, others):
        return "while others of its group do well"
    if not others and count == MOST_ALONE:
        return "and its group has no other worker"
    return ""


def _others(change: Change, worker: Worker) -> list[str]:
    """Uids of the group's workers on other slices."""
    tables = change.tables
    group = change.slice(worker.slice_name).group
    return [
        other.uid
        for other in tables.workers.values()
        if other.slice_name != worker.slice_name
        and tables.slices[other.slice_name].group == group
    ]


def _do_well(change: Change, worker: Worker, others: list[str]) -> bool:
    """Has another worker done well since this one last did?"""
    did_well = change.tables.did_well
    last = did_well.get(worker.uid, 0.0)
    return any(did_well.get(uid, 0.0) > last for uid in others)


def _distrust(change: Change, worker: Worker, proof: str) -> None:
    because = (
        f"worker {worker.index}: {len(worker.doubts)} jobs failed fast on it in a row "
        f"({', '.join(worker.doubts)}), {proof}"
    )
    change.event(
        "worker distrusted",
        because=because,
        slice_name=worker.slice_name,
        worker_uid=worker.uid,
    )
    distrust_slice(change, worker.slice_name, because)
