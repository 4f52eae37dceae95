"""Which waiting tasks start on which workers.

Bands are served in strict order, jobs within one first come, first served. Work
that fits goes ahead of older work that does not, but only for RESERVE_AFTER:
then the older keeps a place, so that big work is never starved by small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, repeat
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from iris.domain.fleet import ScaleGroup, Slice
from iris.domain.jobs import Band
from iris.domain.preparing import is_held_up
from iris.domain.states import ATTEMPT_ENDED, SLICE_COMING, AttemptState
from iris.domain.views import Obstacle
from iris.planning import rules
from iris.planning.limits import Allowance
from iris.planning.plans import Expired, Placement, SchedulingPlan, Waiting
from iris.planning.room import Room, Shape, Taken, shape_of
from iris.planning.rules import Candidate
from iris.planning.snapshot import Gang, PendingJob, Snapshot, WorkerLoad
from iris.planning.under_way import not_running

RESERVE_AFTER = 30.0  # seconds; longer than most small tasks take to go round once


class Promise(msgspec.Struct, frozen=True, gc=False):
    """What one job gets of the room that there is, and how many tasks get none."""

    pending: PendingJob
    shape: Shape
    taken: tuple[Taken, ...]
    left: int
    limit: str = ""  # why its user may not start more, of the rest
    held_back: int = 0  # how many that are


class Round(msgspec.Struct, frozen=True):
    """All the promises of one plan, in the order in which they were made."""

    room: Room
    promises: tuple[Promise, ...]
    next_at: float  # when the first place is kept for somebody, 0 if never


def plan_assignments(snapshot: Snapshot, now: float) -> SchedulingPlan:
    """Start what fits, in order; say of the rest what it lacks."""
    done = promise_room(snapshot, now, ready_count_of)
    texts: dict[Shape, str] = {}
    waiting: list[Waiting] = []
    expired: list[Expired] = []
    for promise in done.promises:
        if promise.left or promise.held_back:
            because = promise.limit
            if promise.left:
                because = texts.get(promise.shape) or why_it_waits(
                    snapshot, done, promise
                )
                texts[promise.shape] = because
            uid = promise.pending.job.uid
            waiting.append(Waiting(uid, promise.left or promise.held_back, because))
            if 0 < promise.pending.job.held_until <= now and not promise.taken:
                expired.append(Expired(uid, because))
    expired += late_to_start(snapshot, done, waiting, now)
    return SchedulingPlan(
        placements=tuple(_placement(each) for each in done.promises if each.taken),
        waiting=tuple(waiting) + tuple(half_ready(snapshot.pending)),
        expired=tuple(expired),
        next_at=_next_at(snapshot, done, now),
    )


def promise_room(
    snapshot: Snapshot, now: float, count_of: Callable[[PendingJob], int]
) -> Round:
    """Share out what is free among `count_of` tasks of each waiting job."""
    room = Room([] if snapshot.draining else ready_candidates(snapshot))
    promises: list[Promise] = []
    keep_times: list[float] = []
    allowance = Allowance(snapshot)
    for pending in in_line(snapshot.pending):
        count = count_of(pending)
        if count == 0:
            continue
        allowed = allowance.take(pending, count)
        shape = pending.shape or shape_of(pending.job.spec)
        promise = promise_to(room, pending, shape, allowed)
        if allowed < count:
            words = allowance.hold_back(pending.job)
            promise = replace(promise, limit=words, held_back=count - allowed)
        promises.append(promise)
        if not promise.left or pending.job.spec.constraints.alone:
            continue  # what may be a danger to others holds none of them up
        keep_at = pending.pending_since + RESERVE_AFTER
        if keep_at <= now:
            room.keep(pending.job.spec, shape, pending.job.name)
        elif room.may_keep(pending.job.spec, shape):
            keep_times.append(keep_at)
    return Round(room, tuple(promises), min(keep_times, default=0.0))


def promise_to(room: Room, pending: PendingJob, shape: Shape, count: int) -> Promise:
    """Promise room for `count` tasks of one job, all or nothing for a gang."""
    if not count or room.is_full(shape):
        return Promise(pending, shape, (), count)
    spec = pending.job.spec
    if spec.gang:
        taken = [(member, 1) for member in room.take_slice(spec, shape)]
    else:
        taken = room.take(spec, shape, count)
    left = count - sum(copies for _, copies in taken)
    return Promise(pending, shape, tuple(taken), max(left, 0))


def in_line(pending: Iterable[PendingJob]) -> list[PendingJob]:
    """The waiting jobs in the order in which they are served."""
    by_band: dict[Band, list[PendingJob]] = {band: [] for band in Band}
    for each in sorted(pending, key=attrgetter("order")):
        by_band[each.job.spec.band].append(each)
    return list(chain.from_iterable(by_band.values()))


def ready_candidates(snapshot: Snapshot) -> list[Candidate]:
    """Every worker there is, the one that work should fill up first at the front.

    Slices that have work come before idle ones, which may then be given back; those
    on which something failed fast the last time come last.
    """
    groups = {group.name: group for group in snapshot.groups}
    slices = {each.name: each for each in snapshot.slices}
    live: dict[str, int] = {}
    for load in snapshot.workers:
        name = load.worker.slice_name
        live[name] = live.get(name, 0) + load.live
    doubted = {w.worker.slice_name for w in snapshot.workers if w.worker.doubts}
    settling = {gang.slice_name for gang in snapshot.gangs if _is_settling(gang)}
    found = [
        _candidate(load, home, groups[home.group], home.name in settling)
        for load in snapshot.workers
        if (home := slices.get(load.worker.slice_name)) and home.group in groups
    ]
    return sorted(
        found, key=lambda each: (*_preference(each, live, doubted), each.index)
    )


def ready_count_of(pending: PendingJob) -> int:
    """Tasks that may start now; none of a gang unless all of it may."""
    spec = pending.job.spec
    if spec.gang and pending.ready_count < spec.tasks:
        return 0
    return pending.ready_count


def why_it_waits(snapshot: Snapshot, done: Round, promise: Promise) -> str:
    """What stands against each place, in numbers, with an example of each."""
    spec = promise.pending.job.spec
    if snapshot.draining:
        return f"the cluster gives its slices back: {snapshot.draining}"
    obstacles = done.room.obstacles(spec, promise.shape)
    total = done.room.count(spec)
    words = _words_of(obstacles, total, "slice" if spec.gang else "worker")
    return f"{words}; {_coming_words(snapshot, promise.pending)}"


def late_to_start(
    snapshot: Snapshot, done: Round, waiting: Iterable[Waiting], now: float
) -> Iterable[Expired]:
    """Jobs none of whose tasks could start in time; one that is prepared goes on."""
    late = {job.uid for job in snapshot.unstarted if job.start_by <= now}
    late -= {each.pending.job.uid for each in done.promises if each.taken}
    if not late:
        return
    reasons = {each.job_uid: each.because for each in waiting}
    for attempt in chain(snapshot.unready, not_running(snapshot)):
        if is_held_up(attempt.detail):
            reasons.setdefault(attempt.job_uid, attempt.detail)
        elif attempt.state is not AttemptState.PREPARED:
            late.discard(attempt.job_uid)
    for job in snapshot.unstarted:
        if job.uid in late and job.uid in reasons:
            yield Expired(job.uid, reasons[job.uid])


def half_ready(pending: Iterable[PendingJob]) -> Iterable[Waiting]:
    """Gangs of which only a part may start, so none of it does."""
    for each in pending:
        tasks = each.job.spec.tasks
        if each.job.spec.gang and 0 < each.ready_count < tasks:
            ready = f"{each.ready_count} of its {tasks} tasks"
            because = f"{ready} are ready to start, and all start at once"
            yield Waiting(each.job.uid, each.ready_count, because)


def _placement(promise: Promise) -> Placement:
    pending = promise.pending
    gang = pending.job.spec.gang
    # a gang of more tasks than a snapshot lists is ready as a whole or not at all
    indexes = range(pending.job.spec.tasks) if gang else pending.ready
    uids = chain.from_iterable(repeat(c.uid, copies) for c, copies in promise.taken)
    return Placement(pending.job.uid, gang, tuple(zip(indexes, uids, strict=False)))


def _next_at(snapshot: Snapshot, done: Round, now: float) -> float:
    times = [each.next_ready_at for each in snapshot.pending if each.later_count]
    times.append(done.next_at)
    times += [at for each in snapshot.pending if (at := each.job.held_until) > now]
    times += [job.start_by for job in snapshot.unstarted if job.start_by > now]
    times += [now for each in done.promises if each.taken and _has_more(each)]
    return min((at for at in times if at), default=0.0)


def _has_more(promise: Promise) -> bool:
    # room was promised to tasks that the snapshot only counts: they come next turn
    taken = sum(copies for _, copies in promise.taken)
    return not promise.pending.job.spec.gang and taken > len(promise.pending.ready)


def _is_settling(gang: Gang) -> bool:
    states = {attempt.state for attempt in gang.attempts}
    return states <= ATTEMPT_ENDED and states != {AttemptState.SUCCEEDED}


def _candidate(
    load: WorkerLoad, home: Slice, group: ScaleGroup, is_settling: bool
) -> Candidate:
    return Candidate(
        uid=load.worker.uid,
        slice_name=home.name,
        index=load.worker.index,
        group=group,
        zone=home.zone,
        capacity=home.capacity,
        free=load.free,
        whole=load.worker.resources,
        slice=home,
        load=load,
        is_settling=is_settling,
    )


def _preference(
    candidate: Candidate, live: dict[str, int], doubted: set[str]
) -> tuple[int, str, bool, bool, str]:
    group = candidate.group
    is_idle = live[candidate.slice_name] == 0
    name = candidate.slice_name
    return -group.priority, group.name, name in doubted, is_idle, name


def _words_of(obstacles: tuple[Obstacle, ...], total: int, kind: str) -> str:
    if not total:
        return f"there is no {kind} at all"
    against = "; ".join(
        f"{each.candidates} for '{each.rule}' ({each.example})" for each in obstacles
    )
    return f"none of {total} {kind}{'s' * (total != 1)} will do: {against}"


def _coming_words(snapshot: Snapshot, pending: PendingJob) -> str:
    suited = {
        group.name
        for group in snapshot.groups
        if rules.objection_of_group(pending.job.spec, group) is None
    }
    coming = [
        each
        for each in snapshot.slices
        if each.state in SLICE_COMING and each.group in suited
    ]
    if not coming:
        return "no slice that would do is on its way"
    first = min(coming, key=lambda each: each.requested_at)
    return f"{len(coming)} that would do on the way ({first.name} is {first.state})"
