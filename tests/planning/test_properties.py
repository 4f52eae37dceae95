"""What holds of every plan, whatever the cluster looks like."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from msgspec.structs import replace

from iris.domain.jobs import Capacity
from iris.domain.resources import NOTHING, Resources
from iris.domain.states import SliceState, WorkerState
from iris.planning.autoscaler import plan_capacity
from iris.planning.gangs import plan_verdicts
from iris.planning.lifecycle import plan_lifecycle
from iris.planning.liveness import plan_liveness
from iris.planning.plans import CapacityPlan
from iris.planning.scheduler import plan_assignments
from iris.planning.snapshot import Snapshot
from tests.planning.clusters import all_ready, booted, carried_out, snapshots, started
from tests.support.builders import (
    NOW,
    a_snapshot,
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


@settings(max_examples=50)
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


def _pairs(plan: CapacityPlan) -> list[tuple[str, str]]:
    return [(each.slice_name, each.because) for each in plan.drains]
