"""Slices: the intent, the cloud's answers, what listings show, the end."""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.change import Change
from iris.controller.transitions.departures import Departure, ask_to_leave
from iris.controller.transitions.reports import lose_attempt
from iris.domain.fleet import Backoff, Slice, Worker
from iris.domain.jobs import EndCause
from iris.domain.protocol import Heartbeat
from iris.domain.states import SLICE_MOVES, SliceState, require_move
from iris.errors import CloudError, Conflict, IllegalMove, NotThere
from iris.planning.backoff import next_backoff
from iris.planning.plans import CapacityPlan, Create, LifecyclePlan, SliceMove

_STAMPS = {
    SliceState.CREATING: "created_at",
    SliceState.BOOTING: "booting_at",
    SliceState.READY: "ready_at",
    SliceState.DELETING: "deleting_at",
    SliceState.DELETED: "deleted_at",
}


def move_slice(change: Change, slice_: Slice, to: SliceState, because: str) -> Slice:
    """A slice's next state, with its time, its reason and its event."""
    require_move(SLICE_MOVES, f"slice {slice_.name}", slice_.state, to)
    stamp = {_STAMPS[to]: change.now} if to in _STAMPS else {}
    moved = replace(slice_, state=to, because=because, **stamp)
    change.put_slice(moved)
    change.event(f"slice {to}", because=because, slice_name=slice_.name)
    for worker in change.tables.slice_workers.get(slice_.name, {}).values():
        change.workers.add(worker.uid)
    return moved


def commit_capacity(
    change: Change, plan: CapacityPlan, cluster: str
) -> tuple[Slice, ...]:
    """Write down the slices to ask for and those that go; returns the new rows."""
    created = []
    counts: dict[str, int] = {}
    for slice_ in change.tables.slices.values():
        counts[slice_.group] = counts.get(slice_.group, 0) + 1
    for create in plan.creates:
        group = change.tables.groups.get(create.group)
        if group is None or counts.get(group.name, 0) >= group.max_slices:
            continue
        if change.tables.meta.get("draining"):
            continue
        counts[group.name] = counts.get(group.name, 0) + 1
        created.append(_request(change, create, cluster))
    for drain in plan.drains:
        idle = change.tables.slices.get(drain.slice_name)
        if idle is None or idle.state is not SliceState.READY:
            continue
        if not change.tables.live_of_slice(idle.name):
            move_slice(change, idle, SliceState.DRAINING, drain.because)
    return tuple(created)


def _request(change: Change, create: Create, cluster: str) -> Slice:
    group = change.tables.groups[create.group]
    token = change.new_id("").lstrip("-")[:6]
    slice_ = Slice(
        name=f"{cluster}-{group.name.replace('_', '-').lower()}-{token}",
        uid=change.new_id("s"),
        group=group.name,
        zone=create.zone,
        capacity=group.capacity,
        vms=group.vms,
        because=create.because,
        requested_at=change.now,
    )
    change.put_slice(slice_)
    change.event("slice requested", because=create.because, slice_name=slice_.name)
    return slice_


def accept_slice(change: Change, name: str, creation: str) -> None:
    """The cloud took the create call; a worker may have been quicker."""
    known = change.slice(name)
    slice_ = replace(known, creation=creation)
    if slice_.state is SliceState.REQUESTED:
        move_slice(change, slice_, SliceState.CREATING, "the cloud accepted it")
        return
    slice_ = replace(slice_, created_at=slice_.created_at or change.now)
    if slice_ != known:
        change.put_slice(slice_)


def refuse_slice(
    change: Change, name: str, error: CloudError, backoff: Backoff | None
) -> None:
    """The cloud will not make it; the deletion that follows proves its absence."""
    slice_ = change.slice(name)
    if SliceState.FAILED in SLICE_MOVES[slice_.state]:
        move_slice(change, slice_, SliceState.FAILED, f"{error.code()}: {error}")
    if backoff is not None:
        change.put_backoff(backoff)


def commit_lifecycle(change: Change, plan: LifecyclePlan) -> None:
    """Moves that still hold; what is deleted takes its workers and attempts along."""
    for move in plan.moves:
        try:
            _move(change, move)
        except (NotThere, IllegalMove):
            continue  # it moved meanwhile; the next turn sees how
    for release in plan.releases:
        release_attempts(change, release.slice_name, release.because)
    for orphan in plan.orphans:
        change.event(
            "orphan found", because=orphan.because, slice_name=orphan.slice_name
        )


def _move(change: Change, move: SliceMove) -> None:
    slice_ = change.slice(move.slice_name)
    if move.to is SliceState.DRAINING and slice_.state is not SliceState.READY:
        return
    move_slice(change, slice_, move.to, move.because)
    if move.backoff:
        place = slice_.group, slice_.zone
        previous = change.tables.backoffs.get(place)
        kind, words = move.backoff, move.because
        change.put_backoff(next_backoff(previous, *place, kind, words, change.now))
    if move.to is SliceState.DELETED:
        release_attempts(change, slice_.name, f"its slice is gone: {slice_.because}")
        for worker in change.tables.slice_workers.get(slice_.name, {}).values():
            change.drop("grants", worker.token_hash)


def release_attempts(change: Change, slice_name: str, because: str) -> None:
    """Its machines are confirmed gone: what ran there has ended, as a loss."""
    for attempt in change.tables.live_of_slice(slice_name):
        lose_attempt(change, attempt, EndCause.WORKER_LOST, because)


def confirm_gone(change: Change, slice_name: str, by: str) -> None:
    """An operator vouches that a slice does no work any more."""
    slice_ = change.slice(slice_name)
    if slice_.state is not SliceState.DELETING:
        raise Conflict(
            f"slice {slice_name} is {slice_.state}, not deleting",
            hint="See `inv probe.list-slices`; only a stuck deletion is confirmed.",
        )
    because = f"confirmed gone by {by}"
    change.put_slice(replace(slice_, because=because))
    change.event("slice confirmed gone", because=because, slice_name=slice_name)
    release_attempts(change, slice_name, because)


def drain_slice(
    change: Change, slice_name: str, by: str, departure: Departure | None
) -> None:
    """No new work, and the slice goes once what runs has ended, or by its deadline."""
    _drain(change, slice_name, f"drained by {by}", departure)


def distrust_slice(change: Change, slice_name: str, because: str) -> None:
    """No new work on a machine that fails what others do well; then it is replaced."""
    _drain(change, slice_name, because, None)


def take_notice(change: Change, worker: Worker, heartbeat: Heartbeat) -> None:
    """A worker's machine is about to go: its slice takes no new work and goes too.

    What runs beside it on the slice is told at once: a gang saves itself together.
    """
    seconds = heartbeat.goes_in
    departure = Departure(EndCause.PREEMPTED, seconds) if seconds else None
    because = f"worker {worker.index}: {heartbeat.notice}"
    _drain(change, worker.slice_name, because, departure)


def _drain(
    change: Change, slice_name: str, because: str, departure: Departure | None
) -> None:
    slice_ = change.slice(slice_name)
    for uid in [
        w.uid for w in change.tables.slice_workers.get(slice_name, {}).values()
    ]:
        worker = change.worker(uid)
        if not worker.draining:
            change.put_worker(replace(worker, draining=because))
    if slice_.state is SliceState.READY:
        slice_ = move_slice(change, slice_, SliceState.DRAINING, because)
    if departure is not None:
        _ask_all_to_leave(change, slice_, because, departure)


def _ask_all_to_leave(
    change: Change, slice_: Slice, because: str, departure: Departure
) -> None:
    live = [change.attempt(a.uid) for a in change.tables.live_of_slice(slice_.name)]
    for attempt in live:
        ask_to_leave(change, attempt, because, departure)
    leave_by = max((change.attempt(a.uid).stop_by for a in live), default=0.0)
    if leave_by != slice_.leave_by:
        change.put_slice(replace(slice_, leave_by=leave_by))


def drain_cluster(change: Change, by: str, seconds: float | None) -> None:
    """Every slice goes back, none comes; what runs is told to leave and waits on."""
    because = f"the cluster is being stopped by {by}"
    change.put_meta("draining", because)
    change.event("cluster draining", because=because)
    for slice_ in list(change.tables.slices.values()):
        if slice_.state is SliceState.READY:
            slice_ = move_slice(change, slice_, SliceState.DRAINING, because)
        departure = Departure(EndCause.DRAINED, seconds)
        _ask_all_to_leave(change, slice_, because, departure)


def resume_cluster(change: Change, by: str) -> None:
    """Slices may come again."""
    if change.tables.meta.get("draining"):
        change.drop("meta", "draining")
        change.event("cluster resumed", because=f"asked for by {by}")
