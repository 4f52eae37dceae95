"""How gangs end: siblings are stopped, and one verdict settles all of them.

A gang's end is classified once, by its root cause, after a short wait for the
infrastructure's side: a lost machine makes its siblings exit 1 within seconds,
and whichever report comes first says nothing about whose fault it was.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from iris.domain.fleet import Slice
from iris.domain.jobs import DEPARTURES, Attempt, EndCause
from iris.domain.states import (
    ATTEMPT_ENDED,
    AttemptState,
    SliceState,
    WorkerState,
)
from iris.planning.plans import Stop, Verdict, VerdictPlan
from iris.planning.snapshot import Gang, Snapshot, WorkerLoad

SETTLE = 1.0  # seconds; a worker heard this long after a bad end was alive at it
LOOK_AGAIN = 0.2  # seconds between looks while a worker is waited for
# Seconds from the assignment to the start: bundle and set-up of the slowest member.
START_DEADLINE = 1800.0

_GONE = frozenset({SliceState.FAILED, SliceState.PREEMPTED, SliceState.DELETING})
_LOSSES = frozenset(
    {
        *DEPARTURES,
        EndCause.VANISHED,
        EndCause.PREPARE_FAILED,
    }
)


class _Sight(msgspec.Struct, frozen=True):
    """One gang and what is known of its slice."""

    gang: Gang
    home: Slice | None
    loads: tuple[WorkerLoad, ...]  # of its members' workers, where they are known
    stalled_until: float
    now: float


def plan_verdicts(snapshot: Snapshot, now: float) -> VerdictPlan:
    """Stop the siblings of what ended badly; settle the gangs that have ended."""
    slices = {each.name: each for each in snapshot.slices}
    loads = {load.worker.uid: load for load in snapshot.workers}
    verdicts: list[Verdict] = []
    stops: list[Stop] = []
    times: list[float] = []
    for single in snapshot.starting:
        at = max(single.assigned_at, snapshot.stalled_until) + START_DEADLINE
        if at <= now:
            stops.append(
                Stop(single.uid, f"it did not start in {START_DEADLINE:.0f} s")
            )
        else:
            times.append(at)
    for gang in snapshot.gangs:
        sight = _look_at(gang, slices, loads, snapshot.stalled_until, now)
        live = [each for each in gang.attempts if each.state not in ATTEMPT_ENDED]
        if live:
            stops += _stops(sight, live)
            times += [at for at in _start_deadlines(sight, live) if at > now]
        elif (settles_at := _settles_at(sight)) > now:
            times.append(settles_at)
        else:
            verdicts.append(_verdict(sight))
    return VerdictPlan(tuple(verdicts), tuple(stops), min(times, default=0.0))


def _look_at(
    gang: Gang,
    slices: Mapping[str, Slice],
    loads: Mapping[str, WorkerLoad],
    stalled_until: float,
    now: float,
) -> _Sight:
    known = [loads.get(attempt.worker_uid) for attempt in gang.attempts]
    return _Sight(
        gang=gang,
        home=slices.get(gang.slice_name),
        loads=tuple(load for load in known if load is not None),
        stalled_until=stalled_until,
        now=now,
    )


def _stops(sight: _Sight, live: list[Attempt]) -> list[Stop]:
    because = _why_stop(sight, live)
    if not because:
        return []
    return [Stop(each.uid, because) for each in live if not each.stop_because]


def _why_stop(sight: _Sight, live: list[Attempt]) -> str:
    bad = _bad_ends(sight.gang)
    if bad:
        return f"task {bad[0].task_index} of its gang ended: {_words(bad[0])}"
    lost = _infrastructure_loss(sight)
    if lost:
        return lost
    late = [at for at in _start_deadlines(sight, live) if at <= sight.now]
    return f"its gang did not start in {START_DEADLINE:.0f} s" if late else ""


def _start_deadlines(sight: _Sight, live: list[Attempt]) -> list[float]:
    """When the members that have not started yet will be too late."""
    return [
        max(each.assigned_at, sight.stalled_until) + START_DEADLINE
        for each in live
        if each.state is not AttemptState.RUNNING and not each.stop_because
    ]


def _settles_at(sight: _Sight) -> float:
    """When the verdict may be given, as far as time alone can tell."""
    bad = _bad_ends(sight.gang)
    if not bad or _loss(sight):
        return 0.0
    settled = bad[0].ended_at + SETTLE
    unheard = [load for load in sight.loads if _is_unheard(load, sight, settled)]
    return max(settled, sight.now + LOOK_AGAIN) if unheard else 0.0


def _is_unheard(load: WorkerLoad, sight: _Sight, settled: float) -> bool:
    # after a restart `heard_at` is the restart itself, which proves nothing
    return load.heard_at < settled or load.heard_at <= sight.stalled_until


def _verdict(sight: _Sight) -> Verdict:
    gang = sight.gang
    loss = _loss(sight)
    if loss is not None:
        return loss
    bad = _bad_ends(gang)
    if bad:
        root = bad[0]
        because = f"task {root.task_index} {_words(root)}"
        return Verdict(gang.uid, "failed", root.uid, root.cause, because)
    stopped = [a for a in gang.attempts if a.state is not AttemptState.SUCCEEDED]
    if not stopped:
        because = f"all {len(gang.attempts)} tasks succeeded"
        return Verdict(gang.uid, "succeeded", "", None, because)
    # State knows whether a person asked for it, and then calls it cancelled
    first = stopped[0]
    return Verdict(gang.uid, "lost", first.uid, EndCause.STOPPED, first.stop_because)


def _loss(sight: _Sight) -> Verdict | None:
    """The verdict if a machine, not the user's program, is the cause."""
    gang = sight.gang
    ended = [each for each in gang.attempts if each.state in ATTEMPT_ENDED]
    if all(each.state is AttemptState.SUCCEEDED for each in ended):
        return None
    lost = sorted(filter(_is_lost, ended), key=lambda each: each.ended_at)
    if lost:
        because = f"task {lost[0].task_index} {_words(lost[0])}"
        return Verdict(gang.uid, "lost", lost[0].uid, lost[0].cause, because)
    words = _infrastructure_loss(sight)
    if not words:
        return None
    first = min(ended, key=lambda each: each.ended_at)
    return Verdict(gang.uid, "lost", first.uid, EndCause.WORKER_LOST, words)


def _infrastructure_loss(sight: _Sight) -> str:
    """What is lost of the gang's slice, empty if nothing is."""
    home = sight.home
    if home is None:
        return f"slice {sight.gang.slice_name} is gone"
    if home.state in _GONE:
        return f"slice {home.name} is {home.state}: {home.because}"
    for load in sight.loads:
        if load.worker.state is WorkerState.LOST:
            return f"worker {load.worker.index} of slice {home.name} is lost"
    return ""


def _bad_ends(gang: Gang) -> list[Attempt]:
    """Ends that we did not ask for, the first at the front."""
    ended = [each for each in gang.attempts if each.state in ATTEMPT_ENDED]
    bad = [
        each
        for each in ended
        if each.state is not AttemptState.SUCCEEDED and not _was_stopped(each)
    ]
    return sorted(bad, key=lambda each: (each.ended_at, each.task_index))


def _was_stopped(attempt: Attempt) -> bool:
    if attempt.had_failed:
        return False  # before it was asked to end
    if attempt.cause is EndCause.STOPPED:
        return True
    if attempt.stop_cause is not None and attempt.cause in DEPARTURES:
        return True  # its siblings have the same deadline: they may still be saving
    # a sibling that dies of its gang's end before our signal reaches it
    is_consequence = attempt.cause in (EndCause.EXITED, EndCause.SIGNALLED)
    return bool(attempt.stop_because) and (is_consequence or attempt.cause is None)


def _is_lost(attempt: Attempt) -> bool:
    return attempt.state is AttemptState.LOST or attempt.cause in _LOSSES


def _words(attempt: Attempt) -> str:
    """How an attempt ended, as a person reads it."""
    where = f" on worker {attempt.worker_index} of slice {attempt.slice_name}"
    code = "" if attempt.exit_code is None else f" with status {attempt.exit_code}"
    how = f"{attempt.state}: {attempt.cause or 'no cause given'}{code}{where}"
    return f"{how} ({attempt.detail})" if attempt.detail else how
