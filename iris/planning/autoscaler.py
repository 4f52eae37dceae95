"""Which slices come and which go.

A group grows to the demand and keeps its bounds; it gives back what has been
idle for `scale_down_delay` and nobody waits for; it never does both in one plan,
and gives nothing back while slices of it are still on their way.
"""

from __future__ import annotations

import msgspec

from iris.domain.fleet import ScaleGroup, Slice
from iris.domain.states import SLICE_COMING, SliceState
from iris.planning.demand import Coming, present_round
from iris.planning.growth import Growth, plan_growth
from iris.planning.plans import CapacityPlan, Drain, GroupOutlook, Outlook
from iris.planning.scheduler import Round
from iris.planning.snapshot import Snapshot

# Seconds for which nothing idle goes after the controller was down or stood still: its
# workers speak again within 10, and work that could not be submitted meanwhile comes.
REUNION = 60.0


class _Fleet(msgspec.Struct, frozen=True):
    """The slices of one group, and which of all slices are in use or wanted."""

    group: ScaleGroup
    slices: tuple[Slice, ...]
    opened: tuple[Coming, ...]
    used: frozenset[str]
    stalled_until: float = 0.0

    def ready(self) -> list[Slice]:
        return [each for each in self.slices if each.state is SliceState.READY]

    def coming(self) -> list[Slice]:
        return [each for each in self.slices if each.state in SLICE_COMING]

    def wanted(self) -> int:
        names = {each.name for each in self.slices}
        names |= {each.name for each in self.opened}
        in_use = len(names & self.used)
        return max(in_use, self.group.min_slices)


class _Shrinkage(msgspec.Struct, frozen=True):
    """What one group gives back now, and when more of it will have idled enough."""

    drains: tuple[Drain, ...] = ()
    next_at: float = 0.0


def plan_capacity(snapshot: Snapshot, now: float) -> CapacityPlan:
    """Grow to the demand, shrink by what has been idle too long."""
    if snapshot.draining:
        return _drain_all(snapshot)
    done = present_round(snapshot, now)
    growth = plan_growth(snapshot, now, done)
    used = _used(snapshot, done, growth)
    drains = _ungrouped(snapshot)
    outlooks: list[GroupOutlook] = []
    for group in snapshot.groups:
        fleet = _Fleet(
            group=group,
            slices=tuple(s for s in snapshot.slices if s.group == group.name),
            opened=tuple(c for c in growth.opened if c.group.name == group.name),
            used=used,
            stalled_until=snapshot.stalled_until,
        )
        shrinkage = _shrink(fleet, now)
        drains += shrinkage.drains
        outlooks.append(_outlook(fleet, growth, shrinkage, now))
    times = [growth.next_at, done.next_at, *(each.next_at for each in outlooks)]
    return CapacityPlan(
        creates=growth.creates,
        drains=tuple(drains),
        groups=tuple(outlooks),
        jobs=_job_outlooks(snapshot, done, growth),
        next_at=min((at for at in times if at > now), default=0.0),
    )


def _drain_all(snapshot: Snapshot) -> CapacityPlan:
    because = snapshot.draining
    ready = [each for each in snapshot.slices if each.state is SliceState.READY]
    outlooks = []
    for group in snapshot.groups:
        slices = tuple(s for s in snapshot.slices if s.group == group.name)
        fleet = _Fleet(group, slices, (), frozenset())
        outlook = _count(fleet, f"gives its slices back: {because}")
        outlooks.append(msgspec.structs.replace(outlook, wanted=0))
    words = f"no slice comes: {because}"
    return CapacityPlan(
        drains=tuple(Drain(each.name, because) for each in ready),
        groups=tuple(outlooks),
        jobs=tuple(Outlook(each.job.uid, words) for each in snapshot.pending),
    )


def _ungrouped(snapshot: Snapshot) -> list[Drain]:
    names = {group.name for group in snapshot.groups}
    return [
        Drain(each.name, f"the cluster file has no group {each.group} any more")
        for each in snapshot.slices
        if each.state is SliceState.READY and each.group not in names
    ]


def _used(snapshot: Snapshot, done: Round, growth: Growth) -> frozenset[str]:
    """Slices with work on them, or that waiting work is to have."""
    busy = {load.worker.slice_name for load in snapshot.workers if load.live}
    settling = {gang.slice_name for gang in snapshot.gangs}
    return frozenset(busy | settling | done.room.wanted | growth.demand.arriving.wanted)


def _shrink(fleet: _Fleet, now: float) -> _Shrinkage:
    group, ready = fleet.group, fleet.ready()
    if fleet.opened or fleet.coming():
        return _Shrinkage()
    surplus = len(ready) - group.min_slices
    above_max = len(ready) - group.max_slices
    idle = [each for each in ready if each.name not in fleet.used]
    idle.sort(key=lambda each: (_idle_since(each), each.name))
    delay, drains = group.scale_down_delay, list[Drain]()
    reunited_at = fleet.stalled_until + min(REUNION, delay)
    for each in idle[: max(surplus, 0)]:
        at = max(_idle_since(each) + delay, reunited_at)
        if len(drains) < above_max:
            because = f"above max_slices, which is {group.max_slices}"
            drains.append(Drain(each.name, because))
        elif at <= now:
            because = f"idle for more than {delay:.0f} s"
            drains.append(Drain(each.name, because))
        else:
            return _Shrinkage(tuple(drains), at)
    return _Shrinkage(tuple(drains))


def _idle_since(row: Slice) -> float:
    return max(row.ready_at, row.busy_at)


def _outlook(
    fleet: _Fleet, growth: Growth, shrinkage: _Shrinkage, now: float
) -> GroupOutlook:
    name = fleet.group.name
    creates = [each.because for each in growth.creates if each.group == name]
    words = [f"{len(creates)} asked for: {creates[0]}"] if creates else []
    if name in growth.blocked:
        words.append(f"needed, but does not grow: {growth.blocked[name]}")
    words += _stuck(fleet, now)
    if shrinkage.drains:
        words.append(f"{len(shrinkage.drains)} given back: idle too long")
    elif shrinkage.next_at:
        delay = fleet.group.scale_down_delay
        words.append(f"idle slices go after {delay:.0f} s without work")
    because = "; ".join(words) or _steady_words(fleet)
    times = [shrinkage.next_at]
    if name in growth.blocked:
        times.append(growth.next_at)
    next_at = min((at for at in times if at), default=0.0)
    return msgspec.structs.replace(_count(fleet, because), next_at=next_at)


def _steady_words(fleet: _Fleet) -> str:
    wanted = fleet.wanted()
    if not wanted:
        return "nothing waits for it"
    if fleet.coming():
        return f"{wanted} wanted, {len(fleet.coming())} on their way"
    return f"{wanted} in use or kept by min_slices"


def _stuck(fleet: _Fleet, now: float) -> list[str]:
    late = fleet.group.delete_timeout
    return [
        f"the deletion of {each.name} is stuck, it still counts as quota"
        for each in fleet.slices
        if each.state is SliceState.DELETING and each.deleting_at + late < now
    ]


def _count(fleet: _Fleet, because: str) -> GroupOutlook:
    ready, coming = len(fleet.ready()), len(fleet.coming())
    return GroupOutlook(
        group=fleet.group.name,
        wanted=fleet.wanted(),
        ready=ready,
        coming=coming + len(fleet.opened),
        leaving=len(fleet.slices) - ready - coming,
        because=because,
    )


def _job_outlooks(
    snapshot: Snapshot, done: Round, growth: Growth
) -> tuple[Outlook, ...]:
    rows = {each.name: each for each in snapshot.slices}
    words = {
        name: f"slice {name} of group {row.group} is {row.state}, on its way for it"
        for name, row in rows.items()
    }
    words |= {
        each.name: f"a slice of group {each.group.name} is asked for in {each.zone}"
        for each in growth.opened
    }
    outlooks: list[Outlook] = []
    for promise in done.promises:
        uid = promise.pending.job.uid
        found = (
            [words[growth.demand.promised[uid]]]
            if uid in growth.demand.promised
            else []
        )
        if uid in growth.refusals:
            found.append(f"no slice can be asked for: {growth.refusals[uid]}")
        if found:
            outlooks.append(Outlook(uid, "; ".join(found)))
    return tuple(outlooks)
