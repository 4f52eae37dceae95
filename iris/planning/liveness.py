"""Which workers are heard, suspect or lost, by their heartbeats."""

from __future__ import annotations

from iris.domain.states import SliceState, WorkerState
from iris.planning.plans import LivenessPlan, WorkerMove
from iris.planning.snapshot import Snapshot, WorkerLoad

MISSED_WHEN_LOST = 3  # heartbeats, however short `lost_after` is
MISSED_WHEN_SUSPECT = 1.5  # one missed, with half an interval for its way


def plan_liveness(
    snapshot: Snapshot, now: float, suspect_after: float, lost_after: float
) -> LivenessPlan:
    """Suspect the silent, give up the long silent, welcome those heard again.

    Silence while the controller itself was stalled counts for nothing, and a
    slice that is being deleted may be silent.
    """
    deleting = {s.name for s in snapshot.slices if s.state is SliceState.DELETING}
    moves: list[WorkerMove] = []
    times: list[float] = []
    for load in snapshot.workers:
        if load.worker.state is WorkerState.LOST or load.worker.slice_name in deleting:
            continue
        limits = _limits(load, suspect_after, lost_after)
        move = _move(load, snapshot.stalled_until, now, limits)
        if move is not None:
            moves.append(move)
        since = max(load.heard_at, snapshot.stalled_until)
        times += [since + limit for limit in limits if since + limit > now]
    return LivenessPlan(tuple(moves), min(times, default=0.0))


def _limits(
    load: WorkerLoad, suspect_after: float, lost_after: float
) -> tuple[float, float]:
    return (
        max(suspect_after, MISSED_WHEN_SUSPECT * load.interval),
        max(lost_after, MISSED_WHEN_LOST * load.interval),
    )


def _move(
    load: WorkerLoad, stalled_until: float, now: float, limits: tuple[float, float]
) -> WorkerMove | None:
    suspect_limit, lost_limit = limits
    silent = now - max(load.heard_at, stalled_until)
    uid, state = load.worker.uid, load.worker.state
    because = f"silent for {silent:.0f} s"
    if silent >= lost_limit:
        return WorkerMove(uid, WorkerState.LOST, because)
    if silent >= suspect_limit and state is WorkerState.HEALTHY:
        return WorkerMove(uid, WorkerState.SUSPECT, because)
    was_heard = now - load.heard_at < suspect_limit
    if was_heard and state is WorkerState.SUSPECT:
        return WorkerMove(uid, WorkerState.HEALTHY, "heard again")
    return None
