"""What rows, the cloud's listings and deadlines together ask of each slice.

Nothing destructive follows from one failed observation: what is unclear or was
not listed changes nothing, and absence counts once it was seen twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from iris.domain.fleet import ScaleGroup, Slice
from iris.domain.jobs import Attempt
from iris.domain.states import SLICE_COMING, SliceState, WorkerState
from iris.planning.orphans import Seen, Sighted, find_orphans
from iris.planning.plans import LifecyclePlan, Release, Sighting, SliceMove
from iris.planning.snapshot import Snapshot, WorkerLoad

__all__ = ["Seen", "Sighted", "plan_lifecycle"]

MISSES_WHEN_GONE = 2  # listings in a row
STOP_DEADLINE = 300.0  # seconds after its grace; nothing else frees the machine

_EXISTING = frozenset(
    {SliceState.CREATING, SliceState.BOOTING, SliceState.READY, SliceState.DRAINING}
)
_ASKED = frozenset({SliceState.REQUESTED, SliceState.CREATING})
_WITH_WORKERS = frozenset({SliceState.BOOTING, SliceState.READY, SliceState.DRAINING})


class _Look(msgspec.Struct, frozen=True):
    """All that is known of one slice."""

    slice: Slice
    group: ScaleGroup | None
    seen: Seen | None
    sighting: Sighting | None  # what this listing says of it
    missed: int  # listings in a row without it, this one too
    loads: tuple[WorkerLoad, ...]
    is_settling: bool  # a gang that ran on it has no verdict yet
    stopping: tuple[Attempt, ...]  # attempts whose end is wanted
    draining: str  # of the whole cluster
    stalled_until: float
    now: float


def plan_lifecycle(
    snapshot: Snapshot, listing: Sighted | None, now: float
) -> LifecyclePlan:
    """Move each slice by the first check that applies; name what has no row."""
    seen = {each.name: each for each in listing.slices} if listing else {}
    moves: list[SliceMove] = []
    times: list[float] = []
    looks = _look_at_all(snapshot, seen, listing, now)
    for look in looks:
        move = next(filter(None, (check(look) for check in CHECKS)), None)
        if move is not None:
            moves.append(move)
            continue
        times += _stop_deadlines(look)
        times.append(deadline(look.slice, look.group, snapshot.stalled_until))
    known = {row.name for row in snapshot.slices}
    orphans, orphan_times = find_orphans(seen, known, now)
    times += orphan_times
    return LifecyclePlan(
        moves=tuple(moves),
        sightings=tuple(look.sighting for look in looks if look.sighting),
        releases=tuple(filter(None, (_release(look) for look in looks))),
        orphans=orphans,
        next_at=min((at for at in times if at > now), default=0.0),
    )


def _look_at_all(
    snapshot: Snapshot,
    seen: Mapping[str, Seen],
    listing: Sighted | None,
    now: float,
) -> list[_Look]:
    groups = {group.name: group for group in snapshot.groups}
    settling = {gang.slice_name for gang in snapshot.gangs}
    loads: dict[str, list[WorkerLoad]] = {}
    for load in snapshot.workers:
        loads.setdefault(load.worker.slice_name, []).append(load)
    looks = []
    for row in snapshot.slices:
        sighting = _sighting(row, seen.get(row.name), listing)
        look = _Look(
            slice=row,
            group=groups.get(row.group),
            seen=_own(row, seen.get(row.name)),
            sighting=sighting,
            missed=_missed(row, sighting),
            loads=tuple(loads.get(row.name, ())),
            is_settling=row.name in settling,
            stopping=tuple(a for a in snapshot.stopping if a.slice_name == row.name),
            draining=snapshot.draining,
            stalled_until=snapshot.stalled_until,
            now=now,
        )
        looks.append(look)
    return looks


def deadline(row: Slice, group: ScaleGroup | None, stalled_until: float) -> float:
    """When the slice's present step counts as too late, 0 if it may take for ever.

    Time in which the controller itself stood still does not count.
    """
    if group is None:
        return 0.0
    if row.state in _ASKED:
        began = max(row.created_at, row.requested_at)
        return max(began, stalled_until) + group.create_timeout
    if row.state is SliceState.BOOTING:
        return max(row.booting_at, stalled_until) + group.boot_timeout
    return 0.0


def _own(row: Slice, seen: Seen | None) -> Seen | None:
    # identity is name plus uid: a namesake says nothing about this slice
    return seen if seen is not None and seen.uid == row.uid else None


def _release(look: _Look) -> Release | None:
    """A slice that is still listed may have stopped working for good."""
    if look.seen is None or not look.seen.is_over:
        return None
    if not any(load.live for load in look.loads):
        return None
    words = look.seen.words or look.seen.phase
    return Release(look.slice.name, f"the cloud says that it works no more: {words}")


def _sighting(
    row: Slice, seen: Seen | None, listing: Sighted | None
) -> Sighting | None:
    if listing is None:
        return None
    if _own(row, seen) is not None:
        return Sighting(row.name, seen=True)
    if row.zone in listing.unlisted_zones or row.state is SliceState.REQUESTED:
        return None
    if listing.began_at < _listed_from(row, listing.lag):
        return None
    return Sighting(row.name, seen=False)


def _listed_from(row: Slice, lag: float) -> float:
    """From when on a listing must show the slice, if it exists."""
    if row.state is SliceState.DELETING and not row.created_at:
        return row.deleting_at  # its creation was refused, or is not known of
    return (row.created_at or row.booting_at or row.requested_at) + lag


def _missed(row: Slice, sighting: Sighting | None) -> int:
    if sighting is None:
        return row.missed
    return 0 if sighting.seen else row.missed + 1


# -- the checks, in order ----------------------------------------------------


def _is_confirmed_absent(look: _Look) -> SliceMove | None:
    row = look.slice
    if row.state is not SliceState.DELETING or look.missed < MISSES_WHEN_GONE:
        return None
    because = f"{row.because}; absent from {look.missed} listings"
    return SliceMove(row.name, SliceState.DELETED, because)


def _has_ended(look: _Look) -> SliceMove | None:
    row = look.slice
    if row.state not in (SliceState.FAILED, SliceState.PREEMPTED):
        return None
    return SliceMove(row.name, SliceState.DELETING, f"{row.state}: {row.because}")


def _is_taken_by_the_cloud(look: _Look) -> SliceMove | None:
    row, seen = look.slice, look.seen
    if seen is None or row.state is SliceState.DELETING:
        return None
    words = f": {seen.words}" if seen.words else ""
    if seen.phase == "preempted":
        is_known = row.state is not SliceState.REQUESTED
        to = SliceState.PREEMPTED if is_known else SliceState.FAILED
        return SliceMove(row.name, to, f"the cloud preempted it{words}")
    if seen.phase == "stopped":
        backoff = "boot-failed" if row.state in SLICE_COMING else ""
        because = f"the cloud says that it stopped{words}"
        return SliceMove(row.name, SliceState.FAILED, because, backoff)
    if seen.phase == "deleting":
        because = f"the cloud is deleting it, which we did not ask for{words}"
        return SliceMove(row.name, SliceState.FAILED, because)
    return None


def _has_vanished(look: _Look) -> SliceMove | None:
    row = look.slice
    if row.state not in _EXISTING or look.missed < MISSES_WHEN_GONE:
        return None
    because = f"vanished: absent from {look.missed} listings"
    backoff = "boot-failed" if row.state in SLICE_COMING else ""
    return SliceMove(row.name, SliceState.FAILED, because, backoff)


def _is_unwanted(look: _Look) -> SliceMove | None:
    row = look.slice
    if row.state not in SLICE_COMING:
        return None
    if look.draining:
        return SliceMove(row.name, SliceState.DELETING, look.draining)
    if look.group is None:
        because = f"the cluster file has no group {row.group} any more"
        return SliceMove(row.name, SliceState.DELETING, because)
    return None


def _lost_a_worker(look: _Look) -> SliceMove | None:
    if look.slice.state not in _WITH_WORKERS:
        return None
    for load in look.loads:
        if load.worker.state is WorkerState.LOST:
            because = f"worker {load.worker.index} lost ({load.worker.uid})"
            return SliceMove(look.slice.name, SliceState.FAILED, because)
    return None


def _cannot_stop(look: _Look) -> SliceMove | None:
    if look.slice.state not in _WITH_WORKERS:
        return None
    late = sum(at <= look.now for at in _stop_deadlines(look))
    if not late:
        return None
    because = f"{late} attempts do not end {STOP_DEADLINE:.0f} s after their grace"
    return SliceMove(look.slice.name, SliceState.FAILED, because)


def _stop_deadlines(look: _Look) -> list[float]:
    return [max(a.stop_by, look.stalled_until) + STOP_DEADLINE for a in look.stopping]


def _has_a_draining_worker(look: _Look) -> SliceMove | None:
    if look.slice.state is not SliceState.READY:
        return None
    for load in look.loads:
        if load.worker.draining:
            because = f"worker {load.worker.index} drains: {load.worker.draining}"
            return SliceMove(look.slice.name, SliceState.DRAINING, because)
    return None


def _is_drained(look: _Look) -> SliceMove | None:
    row = look.slice
    is_busy = look.is_settling or any(load.live for load in look.loads)
    if row.state is not SliceState.DRAINING or is_busy:
        return None
    return SliceMove(row.name, SliceState.DELETING, row.because)


def _is_listed(look: _Look) -> SliceMove | None:
    row, seen = look.slice, look.seen
    if seen is None or row.state not in _ASKED:
        return None
    if seen.phase == "up":
        return SliceMove(row.name, SliceState.BOOTING, "its VMs are up")
    if seen.phase == "creating" and row.state is SliceState.REQUESTED:
        return SliceMove(row.name, SliceState.CREATING, "the cloud lists it")
    return None


def _is_late(look: _Look) -> SliceMove | None:
    row = look.slice
    at = deadline(row, look.group, look.stalled_until)
    if not at or look.now < at or look.group is None:
        return None
    if row.state is SliceState.BOOTING:
        there = f"{len(look.loads)} of {row.vms} workers registered"
        because = f"{there} within {look.group.boot_timeout:.0f} s"
        return SliceMove(row.name, SliceState.FAILED, because, "boot-late")
    because = f"not there within {look.group.create_timeout:.0f} s"
    return SliceMove(row.name, SliceState.FAILED, because, "create-late")


CHECKS: tuple[Callable[[_Look], SliceMove | None], ...] = (
    _is_confirmed_absent,
    _has_ended,
    _is_taken_by_the_cloud,
    _has_vanished,
    _is_unwanted,
    _lost_a_worker,
    _cannot_stop,
    _has_a_draining_worker,
    _is_drained,
    _is_listed,
    _is_late,
)
