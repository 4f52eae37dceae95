"""What holds of every plan, whatever the cluster looks like."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from iris.domain.fleet import Slice
from iris.domain.jobs import Band, Capacity, Constraints
from iris.domain.resources import NOTHING, Resources
from iris.domain.states import SLICE_COMING, SliceState, WorkerState
from iris.planning.autoscaler import plan_capacity
from iris.planning.gangs import plan_verdicts
from iris.planning.lifecycle import plan_lifecycle
from iris.planning.liveness import plan_liveness
from iris.planning.plans import CapacityPlan, SchedulingPlan
from iris.planning.scheduler import plan_assignments
from iris.planning.snapshot import PendingJob, Snapshot, WorkerLoad
from tests.support.builders import (
    NOW,
    a_backoff,
    a_gang_job,
    a_group,
    a_job,
    a_pending,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    resources,
)

ZONES = ("europe-west4-a", "us-east1-c")
OPEN_STATES = sorted(set(SliceState) - {SliceState.DELETED})


@st.composite
def group_sets(draw: Any) -> list[Any]:
    """Up to four groups; names, zones, bounds, prices and priorities vary."""
    makers = [
        lambda **kw: a_group("cpu_a", **kw),
        lambda **kw: a_group("cpu_b", **(kw | {"resources": resources(4, 8)})),
        lambda **kw: a_tpu_group(1, **kw),
        lambda **kw: a_tpu_group(2, **kw),
    ]
    groups = []
    for make in draw(st.lists(st.sampled_from(makers), min_size=1, unique=True)):
        most = draw(st.integers(0, 4))
        groups.append(
            make(
                zones=draw(st.sampled_from([ZONES, ZONES[:1], ZONES[::-1]])),
                capacity=draw(st.sampled_from([Capacity.SPOT, Capacity.ON_DEMAND])),
                priority=draw(st.sampled_from([50, 100])),
                min_slices=draw(st.integers(0, most)),
                max_slices=most,
                scale_down_delay=draw(st.sampled_from([0.0, 60.0])),
            )
        )
    return groups


@st.composite
def jobs(draw: Any) -> PendingJob:
    """Plain, single-VM and gang jobs; some with constraints, some old."""
    common = {
        "band": draw(st.sampled_from(Band)),
        "submitted_at": NOW - draw(st.sampled_from([0, 40])),
    }
    zones = draw(st.sampled_from([(), ZONES[:1], ZONES[1:]]))
    capacity = draw(st.sampled_from([None, None, Capacity.ON_DEMAND]))
    kind = draw(st.sampled_from(["plain", "plain", "single", "gang"]))
    accelerator = {"plain": "", "single": "v5litepod-4", "gang": "v5litepod-8"}[kind]
    common["constraints"] = Constraints(accelerator, zones, capacity=capacity)
    if kind == "gang":
        return a_pending(a_gang_job(2, **common))
    tasks = draw(st.integers(1, 12))
    size = resources(draw(st.sampled_from([0.5, 1, 3, 4, 8])), draw(st.integers(0, 9)))
    if kind == "single":
        size = replace(size, chips=draw(st.integers(1, 4)))
    job = a_job(tasks=tasks, resources=size, **common)
    later = draw(st.integers(0, tasks))
    ready = tasks - later
    return a_pending(
        job,
        ready=tuple(range(ready)),
        ready_count=ready,
        later_count=later,
        next_ready_at=NOW + 9 if later else 0.0,
    )


@st.composite
def workers(draw: Any, home: Slice, group: Any) -> list[WorkerLoad]:
    """Some or all workers of a slice, some busy, silent or draining."""
    found = []
    for index in range(group.vms):
        if draw(st.integers(0, 9)) == 0 and home.state is not SliceState.READY:
            continue
        busy = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
        whole = group.resources
        used = Resources(
            int(whole.cpus * busy),
            int(whole.memory_bytes * busy),
            int(whole.chips * busy),
        )
        found.append(
            a_worker(
                home,
                group,
                index,
                free=whole - used,
                live=int(busy > 0),
                state=draw(st.sampled_from([*WorkerState, WorkerState.HEALTHY])),
                draining=draw(st.sampled_from(["", "", "by ann"])),
                heard_at=NOW - draw(st.sampled_from([0, 20, 90])),
            )
        )
    return found


@st.composite
def snapshots(draw: Any) -> Snapshot:
    """A cluster in any condition, within the bounds of its groups."""
    groups = draw(group_sets())
    slices, loads = [], []
    for group in groups:
        for number in range(draw(st.integers(0, group.max_slices))):
            home = a_slice(
                group,
                f"{group.name}-{number}",
                state=draw(st.sampled_from([*OPEN_STATES, *[SliceState.READY] * 4])),
                zone=draw(st.sampled_from(group.zones)),
                busy_at=NOW - draw(st.sampled_from([10, 100])),
                missed=draw(st.integers(0, 2)),
            )
            slices.append(home)
            loads += draw(workers(home, group))
    held = [a_backoff(g) for g in groups if draw(st.booleans())]
    pending = draw(st.lists(jobs(), max_size=8))
    return a_snapshot(
        *groups, slices=slices, workers=loads, pending=pending, backoffs=tuple(held)
    )


@given(snapshots())
def test_no_worker_is_promised_more_than_it_has(snapshot: Snapshot) -> None:
    plan = plan_assignments(snapshot, NOW)

    needs = {each.job.uid: each.job.spec.resources for each in snapshot.pending}
    free = {load.worker.uid: load.free for load in snapshot.workers}
    taken: dict[str, Resources] = {}
    for placement in plan.placements:
        for _, uid in placement.tasks:
            taken[uid] = taken.get(uid, NOTHING) + needs[placement.job_uid]
    for uid, amount in taken.items():
        assert amount.is_within(free[uid])


@given(snapshots())
def test_each_ready_task_is_placed_once_or_waits_with_a_reason(
    snapshot: Snapshot,
) -> None:
    plan = plan_assignments(snapshot, NOW)

    placed = Counter({p.job_uid: len(p.tasks) for p in plan.placements})
    waiting = Counter({w.job_uid: w.count for w in plan.waiting})
    for pending in snapshot.pending:
        uid = pending.job.uid
        assert placed[uid] + waiting[uid] == pending.ready_count
    for placement in plan.placements:
        indexes = [index for index, _ in placement.tasks]
        assert len(set(indexes)) == len(indexes)
    assert all(len(each.because) > 20 for each in plan.waiting)


@given(snapshots())
def test_gangs_are_whole_on_one_slice_of_healthy_workers(snapshot: Snapshot) -> None:
    plan = plan_assignments(snapshot, NOW)

    loads = {load.worker.uid: load for load in snapshot.workers}
    states = {each.name: each.state for each in snapshot.slices}
    tasks_of = {each.job.uid: each.job.spec.tasks for each in snapshot.pending}
    for placement in plan.placements:
        workers = [loads[uid].worker for _, uid in placement.tasks]
        for worker in workers:
            assert worker.state is WorkerState.HEALTHY
            assert not worker.draining
            assert states[worker.slice_name] is SliceState.READY
        if placement.gang:
            assert len({worker.slice_name for worker in workers}) == 1
            assert [w.index for w in workers] == list(range(len(workers)))
            assert len(workers) == tasks_of[placement.job_uid]
            assert [index for index, _ in placement.tasks] == list(range(len(workers)))


@given(snapshots())
def test_the_same_snapshot_gives_the_same_plan_in_any_order(snapshot: Snapshot) -> None:
    turned = replace(
        snapshot,
        groups=snapshot.groups[::-1],
        slices=snapshot.slices[::-1],
        workers=snapshot.workers[::-1],
        pending=snapshot.pending[::-1],
    )

    assert plan_assignments(snapshot, NOW) == plan_assignments(snapshot, NOW)
    first, second = plan_capacity(snapshot, NOW), plan_capacity(turned, NOW)
    assert plan_assignments(snapshot, NOW).placements == (
        plan_assignments(turned, NOW).placements
    )
    assert first.creates == second.creates
    assert set(first.drains) == set(second.drains)
    assert plan_verdicts(snapshot, NOW) == plan_verdicts(snapshot, NOW)
    assert plan_lifecycle(snapshot, None, NOW) == plan_lifecycle(snapshot, None, NOW)
    assert plan_liveness(snapshot, NOW, 15, 60) == plan_liveness(snapshot, NOW, 15, 60)


@given(snapshots())
def test_no_group_grows_beyond_its_maximum_or_shrinks_below_its_minimum(
    snapshot: Snapshot,
) -> None:
    plan = plan_capacity(snapshot, NOW)

    created = Counter(each.group for each in plan.creates)
    drained = Counter(name.rpartition("-")[0] for name, _ in _pairs(plan))
    for group in snapshot.groups:
        own = [each for each in snapshot.slices if each.group == group.name]
        ready = sum(each.state is SliceState.READY for each in own)
        assert len(own) + created[group.name] <= group.max_slices
        assert not (created[group.name] and drained[group.name])
        if drained[group.name]:
            assert ready - drained[group.name] >= group.min_slices


@given(snapshots())
def test_nothing_that_works_or_is_about_to_is_given_back(snapshot: Snapshot) -> None:
    drained = {name for name, _ in _pairs(plan_capacity(snapshot, NOW))}

    busy = {load.worker.slice_name for load in snapshot.workers if load.live}
    homes = {load.worker.uid: load.worker.slice_name for load in snapshot.workers}
    placements = plan_assignments(snapshot, NOW).placements
    promised = {homes[uid] for each in placements for _, uid in each.tasks}
    assert not drained & (busy | promised)


@given(snapshots())
def test_a_capacity_plan_carried_out_asks_for_nothing_more(snapshot: Snapshot) -> None:
    after = carried_out(snapshot, plan_capacity(snapshot, NOW))

    again = plan_capacity(after, NOW)

    assert (again.creates, again.drains) == ((), ())


@given(snapshots())
def test_a_scheduling_plan_carried_out_starts_nothing_more(snapshot: Snapshot) -> None:
    after = started(snapshot, plan_assignments(snapshot, NOW))

    assert plan_assignments(after, NOW).placements == ()


@given(snapshots())
def test_every_job_that_waits_for_capacity_hears_what_is_done(
    snapshot: Snapshot,
) -> None:
    told = {each.job_uid for each in plan_capacity(snapshot, NOW).jobs}

    assert {each.job_uid for each in plan_assignments(snapshot, NOW).waiting} <= told


@settings(max_examples=50, deadline=None)
@given(snapshots())
def test_with_capacity_to_be_had_every_job_that_fits_a_group_is_served(
    snapshot: Snapshot,
) -> None:
    groups = tuple(
        replace(group, max_slices=40, capacity=Capacity.ON_DEMAND)
        for group in snapshot.groups
    )
    pending = [all_ready(each) for each in snapshot.pending]
    now = a_snapshot(*groups, pending=pending)

    for _ in range(5):
        now = carried_out(now, plan_capacity(now, NOW))
        now = booted(now)
        now = started(now, plan_assignments(now, NOW))

    left = plan_capacity(now, NOW)
    assert left.creates == ()
    waiting = {each.job.uid for each in now.pending}
    refused = {each.job_uid for each in left.jobs}
    assert waiting == refused


def all_ready(pending: PendingJob) -> PendingJob:
    spec = pending.job.spec
    anywhere = replace(spec.constraints, capacity=None)
    spec = replace(spec, constraints=anywhere)
    return a_pending(replace(pending.job, spec=spec))


def carried_out(snapshot: Snapshot, plan: CapacityPlan) -> Snapshot:
    """The snapshot once the plan's rows are written."""
    groups = {group.name: group for group in snapshot.groups}
    drained = {each.slice_name for each in plan.drains}
    slices = [
        replace(each, state=SliceState.DRAINING) if each.name in drained else each
        for each in snapshot.slices
    ]
    for create in plan.creates:
        # names come out of a hat, so that none sorts where the plan put it
        name = f"{hash((len(slices), create.zone)) % 10**9}-{len(slices)}"
        slices.append(
            a_slice(
                groups[create.group],
                name,
                zone=create.zone,
                state=SliceState.REQUESTED,
            )
        )
    return replace(snapshot, slices=tuple(slices))


def booted(snapshot: Snapshot) -> Snapshot:
    groups = {group.name: group for group in snapshot.groups}
    slices, loads = [], list(snapshot.workers)
    for each in snapshot.slices:
        if each.state in SLICE_COMING:
            each = replace(each, state=SliceState.READY)
            group = groups[each.group]
            loads += [a_worker(each, group, index) for index in range(each.vms)]
        slices.append(each)
    return replace(snapshot, slices=tuple(slices), workers=tuple(loads))


def started(snapshot: Snapshot, plan: SchedulingPlan) -> Snapshot:
    """The snapshot once the plan's attempts hold what they need."""
    needs = {each.job.uid: each.job.spec.resources for each in snapshot.pending}
    loads = {load.worker.uid: load for load in snapshot.workers}
    placed: dict[str, set[int]] = {}
    for placement in plan.placements:
        for index, uid in placement.tasks:
            load = loads[uid]
            free = load.free - needs[placement.job_uid]
            loads[uid] = replace(load, free=free, live=load.live + 1)
            placed.setdefault(placement.job_uid, set()).add(index)
    pending = []
    for each in snapshot.pending:
        gone = placed.get(each.job.uid, set())
        ready = tuple(index for index in each.ready if index not in gone)
        if ready or each.later_count:
            pending.append(replace(each, ready=ready, ready_count=len(ready)))
    return replace(snapshot, workers=tuple(loads.values()), pending=tuple(pending))


def _pairs(plan: CapacityPlan) -> list[tuple[str, str]]:
    return [(each.slice_name, each.because) for each in plan.drains]
