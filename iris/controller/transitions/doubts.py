"""Workers on which one job after the other fails fast, while elsewhere work goes well.

A bad program fails wherever it runs, so failures alone prove nothing: only where
another worker of the group has done well meanwhile is the machine the cause.
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
_USERS_OWN = frozenset({EndCause.OUT_OF_MEMORY, EndCause.TIMED_OUT})


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
            doubts = (*doubts, attempt.job_uid)[-MOST_DOUBTS:]
    if doubts == worker.doubts:
        return
    worker = replace(worker, doubts=doubts)
    change.put_worker(worker)
    if len(doubts) == MOST_DOUBTS and _others_do_well(change, worker):
        _distrust(change, worker)


def _speaks_for(change: Change, attempt: Attempt) -> bool:
    if attempt.state is AttemptState.SUCCEEDED:
        return True
    return bool(attempt.running_at) and not was_fast(change, attempt)


def _speaks_against(change: Change, attempt: Attempt) -> bool:
    is_unready = attempt.cause is EndCause.PREPARE_FAILED
    is_failure = is_charged(attempt) and attempt.cause not in _USERS_OWN
    return (is_failure or is_unready) and was_fast(change, attempt)


def _others_do_well(change: Change, worker: Worker) -> bool:
    """Has another worker of the group done well since this one last did?"""
    tables = change.tables
    group = change.slice(worker.slice_name).group
    last = tables.did_well.get(worker.uid, 0.0)
    return any(
        at > last
        and (other := tables.workers.get(uid)) is not None
        and other.slice_name != worker.slice_name
        and tables.slices[other.slice_name].group == group
        for uid, at in tables.did_well.items()
    )


def _distrust(change: Change, worker: Worker) -> None:
    because = (
        f"worker {worker.index}: {len(worker.doubts)} jobs failed fast on it in a row "
        f"({', '.join(worker.doubts)}), while others of its group do well"
    )
    change.event(
        "worker distrusted",
        because=because,
        slice_name=worker.slice_name,
        worker_uid=worker.uid,
    )
    distrust_slice(change, worker.slice_name, because)
