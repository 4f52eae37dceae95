"""Which slices to ask for, and why a group that is needed does not grow.

Groups are tried by priority (the higher first), then by name; zones in the order
of the cluster file. A task that names no capacity type is never the reason to
buy on-demand where another type is the owner's first choice: spilling from spot
to scarce on-demand has to be asked for, with a capacity constraint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from iris.domain.fleet import Backoff, ScaleGroup
from iris.domain.jobs import Capacity, JobSpec
from iris.domain.states import SLICE_COMING, SliceState
from iris.planning import rules
from iris.planning.backoff import is_held_back
from iris.planning.demand import (
    Coming,
    Demand,
    Need,
    coming_slices,
    compute_demand,
    vms_of,
)
from iris.planning.plans import Create
from iris.planning.room import Room, Shape
from iris.planning.scheduler import Round, promise_to
from iris.planning.snapshot import Snapshot

_ALIVE = SLICE_COMING | {SliceState.READY}


class Growth(msgspec.Struct, frozen=True):
    """The slices to ask for, and what becomes of each job that waits."""

    creates: tuple[Create, ...]
    opened: tuple[Coming, ...]  # the same slices, under names made up for the plan
    demand: Demand  # as it stands once the creates are carried out
    refusals: dict[str, str]  # job uid -> why no group grows for it
    blocked: dict[str, str]  # group -> why it does not grow though it is needed
    next_at: float  # when the first back-off that matters ends, 0 if none does


class _Grower:
    """One pass: opens slices until every need has a place or a refusal."""

    def __init__(self, snapshot: Snapshot, now: float, former: list[Coming]) -> None:
        self.now = now
        self.groups = in_preference(snapshot.groups)
        self.backoffs: Mapping[tuple[str, str], Backoff] = {
            (each.group, each.zone): each for each in snapshot.backoffs
        }
        self.open = Counter(each.group for each in snapshot.slices)
        self.alive = Counter(s.group for s in snapshot.slices if s.state in _ALIVE)
        for each in former:
            self.open[each.group.name] += 1
            self.alive[each.group.name] += 1
        self.first_number = len(former)
        self.creates: list[Create] = []
        self.opened: list[Coming] = []
        self.room = Room()
        self.blocked: dict[str, str] = {}
        self.times: list[float] = []

    def keep_minimum(self) -> None:
        """Open what `min_slices` asks for beyond the slices that live or come."""
        for group in self.groups:
            because = f"min_slices is {group.min_slices}"
            for _ in range(group.min_slices - self.alive[group.name]):
                zone = self.zone_for(None, group)
                if not zone:
                    break
                self.open_slice(group, zone, because)

    def serve(self, need: Need) -> str:
        """Find room for the need; returns why some of it has none."""
        spec = need.pending.job.spec
        count = need.count
        while True:
            count = promise_to(self.room, need.pending, need.shape, count).left
            if not count:
                return ""
            group, zone = self.choose(spec)
            if group is None:
                return self.refusal(spec)
            waits = f"a gang of {count}" if spec.gang else f"{count} waiting"
            self.open_slice(group, zone, f"{waits} of job {spec.name} had no place")

    def choose(self, spec: JobSpec) -> tuple[ScaleGroup | None, str]:
        """The first group and zone that may grow for the task."""
        for group in suited_groups(spec, self.groups):
            zone = self.zone_for(spec, group)
            if zone:
                return group, zone
        return None, ""

    def zone_for(self, spec: JobSpec | None, group: ScaleGroup) -> str:
        """A zone in which the group may grow; empty, with a reason, if none is."""
        if self.open[group.name] >= group.max_slices:
            self.blocked[group.name] = f"max_slices is {group.max_slices}, all in use"
            return ""
        held: list[Backoff] = []
        for zone in group.zones:
            vm = rules.imagined_vm(group, zone)
            if spec is not None and rules.objection(spec, vm) is not None:
                continue
            backoff = self.backoffs.get((group.name, zone))
            if backoff is None or not is_held_back(backoff, self.now):
                return zone
            held.append(backoff)
        self.times += [backoff.until for backoff in held]
        self.blocked[group.name] = "; ".join(map(describe_backoff, held))
        return ""

    def open_slice(self, group: ScaleGroup, zone: str, because: str) -> None:
        number = self.first_number + len(self.opened)
        coming = Coming(f"new {number:05d}", group, zone, is_new=True)
        self.open[group.name] += 1
        self.opened.append(coming)
        self.creates.append(Create(group.name, zone, because))
        self.room.add(vms_of(coming))

    def refusal(self, spec: JobSpec) -> str:
        suited = suited_groups(spec, self.groups)
        reasons = [f"{g.name}: {self.blocked[g.name]}" for g in suited]
        unasked = _unasked_groups(spec, self.groups)
        if unasked:
            names = ", ".join(group.name for group in unasked)
            reasons.append(f"{names}: on-demand, which the job does not ask for")
        return "; ".join(reasons) or "no scale group would do"


def plan_growth(snapshot: Snapshot, now: float, done: Round) -> Growth:
    """Open slices until another look, with them on their way, asks for no more."""
    coming = coming_slices(snapshot)
    opened: list[Coming] = []
    creates: list[Create] = []
    while True:
        grower = _Grower(snapshot, now, opened)
        grower.keep_minimum()
        demand = compute_demand(done, coming + opened)
        # what `min_slices` opens may serve the demand: look again with it first
        refusals = {} if grower.opened else _serve_all(grower, demand)
        opened = opened + grower.opened
        creates += grower.creates
        if not grower.opened:
            break
    return Growth(
        creates=tuple(creates),
        opened=tuple(opened),
        demand=demand,
        refusals=refusals,
        blocked=grower.blocked,
        next_at=min(grower.times, default=0.0),
    )


def in_preference(groups: Iterable[ScaleGroup]) -> list[ScaleGroup]:
    """Groups in the order in which they grow; of equals on-demand comes last."""
    return sorted(
        groups,
        key=lambda g: (-g.priority, g.capacity is Capacity.ON_DEMAND, g.name),
    )


def suited_groups(spec: JobSpec, groups: Iterable[ScaleGroup]) -> list[ScaleGroup]:
    """The groups that may grow for the task, in order of preference."""
    unasked = {group.name for group in _unasked_groups(spec, groups)}
    return [g for g in _fitting(spec, groups) if g.name not in unasked]


def describe_backoff(backoff: Backoff) -> str:
    """What holds a group back in a zone, in the cloud's own words."""
    times = "once" if backoff.failures == 1 else f"{backoff.failures} times in a row"
    return f"{backoff.zone} refused {times}: {backoff.kind}: {backoff.words}"


def _unasked_groups(spec: JobSpec, groups: Iterable[ScaleGroup]) -> list[ScaleGroup]:
    fitting = _fitting(spec, groups)
    if spec.constraints.capacity is not None or not fitting:
        return []
    if fitting[0].capacity is Capacity.ON_DEMAND:
        return []
    return [g for g in fitting if g.capacity is Capacity.ON_DEMAND]


def _fitting(spec: JobSpec, groups: Iterable[ScaleGroup]) -> list[ScaleGroup]:
    fitting = [g for g in groups if rules.objection_of_group(spec, g) is None]
    return in_preference(fitting)


def _serve_all(grower: _Grower, demand: Demand) -> dict[str, str]:
    """Serve the needs in order; a shape that was refused stays refused."""
    refusals: dict[str, str] = {}
    by_shape: dict[Shape, str] = {}
    for need in demand.needs:
        refusal = by_shape.get(need.shape) or grower.serve(need)
        if refusal:
            by_shape[need.shape] = refusals[need.pending.job.uid] = refusal
    return refusals
