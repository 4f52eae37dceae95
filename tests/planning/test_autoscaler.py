"""Which slices come and which go."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iris.domain.jobs import Capacity, Constraints
from iris.domain.states import SliceState
from iris.planning.autoscaler import plan_capacity
from iris.planning.plans import Create, Drain
from tests.support.builders import (
    NOW,
    a_backoff,
    a_gang,
    a_gang_job,
    a_group,
    a_job,
    a_pending,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    resources,
    workers_of,
)

CPU = a_group()
TPU = a_tpu_group(4)
LONG_AGO: Any = {"ready_at": NOW - 1000, "busy_at": NOW - 300}


def created(plan: Any) -> list[tuple[str, str]]:
    return [(create.group, create.zone) for create in plan.creates]


def test_a_gang_without_a_slice_asks_for_one() -> None:
    job = a_gang_job(4, "train")

    plan = plan_capacity(a_snapshot(CPU, TPU, pending=[job]), NOW)

    because = "a gang of 4 of job train had no place"
    assert plan.creates == (Create(TPU.name, TPU.zones[0], because),)
    assert [(g.group, g.wanted, g.coming) for g in plan.groups] == [
        ("cpu", 0, 0),
        (TPU.name, 1, 1),
    ]
    expected = f"a slice of group {TPU.name} is asked for in europe-west4-a"
    assert plan.jobs[0].because == expected


def test_demand_is_packed_many_tasks_to_a_machine() -> None:
    job = a_job(tasks=20)

    plan = plan_capacity(a_snapshot(CPU, pending=[job]), NOW)

    assert len(plan.creates) == 3  # of 8 CPUs each


def test_what_the_scheduler_can_place_is_no_demand() -> None:
    home = a_slice(CPU)

    snapshot = a_snapshot(CPU, slices=[home], pending=[a_job(tasks=8)])

    assert plan_capacity(snapshot, NOW).creates == ()


def test_what_a_coming_slice_will_take_is_no_demand() -> None:
    coming = a_slice(TPU, "s", state=SliceState.BOOTING)
    first, second = a_gang_job(4), a_gang_job(4)

    plan = plan_capacity(a_snapshot(TPU, slices=[coming], pending=[first, second]), NOW)

    assert len(plan.creates) == 1
    words = {each.job_uid: each.because for each in plan.jobs}
    assert words[first.uid].startswith(f"slice s of group {TPU.name} is booting")
    assert words[second.uid].startswith("a slice of group")


def test_a_group_never_grows_beyond_max_slices_whatever_holds_its_quota() -> None:
    group = replace(TPU, max_slices=3)
    states = [SliceState.READY, SliceState.DELETING, SliceState.FAILED]
    slices = [a_slice(group, f"s{i}", state=s) for i, s in enumerate(states)]
    busy = workers_of(slices[0], group, free=resources(0, 0), live=1)

    job = a_gang_job(4)
    snapshot = a_snapshot(group, slices=slices, workers=busy, pending=[job])
    plan = plan_capacity(snapshot, NOW)

    assert plan.creates == ()
    assert "max_slices is 3, all in use" in plan.groups[0].because
    assert "max_slices is 3, all in use" in plan.jobs[0].because


def test_min_slices_are_kept_without_any_demand() -> None:
    group = a_group(min_slices=2)

    plan = plan_capacity(a_snapshot(group), NOW)

    assert created(plan) == [("cpu", "europe-west4-a")] * 2
    assert plan.creates[0].because == "min_slices is 2"


def test_what_min_slices_brings_serves_the_demand() -> None:
    group = a_group(min_slices=2)

    plan = plan_capacity(a_snapshot(group, pending=[a_job(tasks=16)]), NOW)

    assert len(plan.creates) == 2


def test_the_group_of_higher_priority_grows_first_then_the_next() -> None:
    first = a_group("b_first", priority=200, max_slices=1)
    second = a_group("a_second", priority=100)

    plan = plan_capacity(a_snapshot(second, first, pending=[a_job(tasks=16)]), NOW)

    assert [group for group, _ in created(plan)] == ["b_first", "a_second"]


def test_a_zone_in_backoff_is_skipped_and_the_next_one_asked() -> None:
    group = a_group(zones=("europe-west4-a", "europe-west4-b"))
    held = a_backoff(group)

    plan = plan_capacity(a_snapshot(group, pending=[a_job()], backoffs=(held,)), NOW)

    assert created(plan) == [("cpu", "europe-west4-b")]


def test_when_every_zone_is_in_backoff_the_plan_says_why_and_until_when() -> None:
    held = a_backoff(CPU, failures=3, until=NOW + 45)

    plan = plan_capacity(a_snapshot(CPU, pending=[a_job()], backoffs=(held,)), NOW)

    assert plan.creates == ()
    assert plan.next_at == plan.groups[0].next_at == NOW + 45
    for words in (plan.groups[0].because, plan.jobs[0].because):
        assert "europe-west4-a refused 3 times in a row: out-of-capacity" in words
        assert "no more capacity in the zone" in words
    later = plan_capacity(
        a_snapshot(CPU, pending=[a_job()], backoffs=(held,)), NOW + 45
    )
    assert len(later.creates) == 1


def test_a_zone_that_the_task_does_not_allow_is_not_asked() -> None:
    group = a_group(zones=("europe-west4-a", "us-east1-c"))
    job = a_job(constraints=Constraints(regions=("us-east1",)))

    plan = plan_capacity(a_snapshot(group, pending=[job]), NOW)

    assert created(plan) == [("cpu", "us-east1-c")]


def test_a_task_that_asks_for_on_demand_gets_it() -> None:
    spot = a_group("spot", priority=200)
    bought = a_group("bought", capacity=Capacity.ON_DEMAND)
    job = a_job(constraints=Constraints(capacity=Capacity.ON_DEMAND))

    assert created(plan_capacity(a_snapshot(spot, bought, pending=[job]), NOW)) == [
        ("bought", "europe-west4-a")
    ]


def test_an_on_demand_group_that_is_first_choice_serves_everybody() -> None:
    spot = a_group("spot", priority=50)
    bought = a_group("bought", capacity=Capacity.ON_DEMAND, priority=100)

    plan = plan_capacity(a_snapshot(spot, bought, pending=[a_job()]), NOW)

    assert created(plan) == [("bought", "europe-west4-a")]


def test_an_idle_slice_goes_after_scale_down_delay() -> None:
    home = a_slice(CPU, "s", **LONG_AGO)

    on_time = plan_capacity(a_snapshot(CPU, slices=[home]), NOW)
    early = plan_capacity(a_snapshot(CPU, slices=[home]), NOW - 1)

    assert on_time.drains == (Drain("s", "idle for more than 300 s"),)
    assert (early.drains, early.next_at) == ((), NOW)


def test_a_slice_that_became_ready_just_now_has_not_been_idle() -> None:
    home = a_slice(CPU, ready_at=NOW - 299, busy_at=0.0)

    assert plan_capacity(a_snapshot(CPU, slices=[home]), NOW).drains == ()


def test_scale_down_delay_is_the_groups_own() -> None:
    patient = a_group("patient", scale_down_delay=7200.0)
    home = a_slice(patient, **LONG_AGO)

    assert plan_capacity(a_snapshot(patient, slices=[home]), NOW).drains == ()


def test_a_slice_with_live_work_never_goes() -> None:
    home = a_slice(CPU, **LONG_AGO)
    busy = [a_worker(home, CPU, live=1)]

    snapshot = a_snapshot(CPU, slices=[home], workers=busy)

    assert plan_capacity(snapshot, NOW).drains == ()


def test_a_slice_that_waiting_work_wants_never_goes() -> None:
    home = a_slice(TPU, **LONG_AGO)
    job = a_gang_job(4)
    in_backoff = a_pending(
        job, ready=(), ready_count=0, later_count=4, next_ready_at=NOW + 9
    )

    for pending in (job, in_backoff):
        plan = plan_capacity(a_snapshot(TPU, slices=[home], pending=[pending]), NOW)
        assert (plan.creates, plan.drains) == ((), ())


def test_a_slice_whose_gang_has_no_verdict_yet_never_goes() -> None:
    home = a_slice(TPU, **LONG_AGO)

    snapshot = a_snapshot(TPU, slices=[home], gangs=(a_gang(a_gang_job(4), home),))

    assert plan_capacity(snapshot, NOW).drains == ()


def test_min_slices_are_never_given_back_and_the_longest_idle_goes_first() -> None:
    group = a_group(min_slices=1)
    slices = [
        a_slice(group, f"s{i}", ready_at=0.0, busy_at=NOW - 1000 + i) for i in range(3)
    ]

    plan = plan_capacity(a_snapshot(group, slices=slices), NOW)

    assert [drain.slice_name for drain in plan.drains] == ["s0", "s1"]


def test_a_group_never_grows_and_shrinks_in_one_plan() -> None:
    group = a_group(zones=("europe-west4-a", "us-east1-c"))
    idle = a_slice(group, **LONG_AGO)
    job = a_job(constraints=Constraints(zones=("us-east1-c",)))

    plan = plan_capacity(a_snapshot(group, slices=[idle], pending=[job]), NOW)

    assert len(plan.creates) == 1
    assert plan.drains == ()


def test_idle_slices_above_max_slices_go_at_once() -> None:
    group = a_group(max_slices=1)
    slices = [a_slice(group, f"s{i}") for i in range(2)]

    plan = plan_capacity(a_snapshot(group, slices=slices), NOW)

    assert plan.drains == (Drain("s0", "above max_slices, which is 1"),)


def test_a_draining_cluster_gives_all_back_and_asks_for_nothing() -> None:
    group = a_group(min_slices=2)
    snapshot = a_snapshot(
        group,
        slices=[a_slice(group, "s", ready_at=NOW)],
        pending=[a_job(tasks=99)],
        draining="stopped by ann",
    )

    plan = plan_capacity(snapshot, NOW)

    assert (plan.creates, plan.drains) == ((), (Drain("s", "stopped by ann"),))
    assert plan.jobs[0].because == "no slice comes: stopped by ann"


def test_slices_of_a_group_that_left_the_cluster_file_drain() -> None:
    old = a_slice(a_group("old"), "s")

    plan = plan_capacity(a_snapshot(CPU, slices=[old]), NOW)

    because = "the cluster file has no group old any more"
    assert plan.drains == (Drain("s", because),)


def test_a_gang_that_is_only_half_pending_asks_for_nothing_yet() -> None:
    half = a_pending(a_gang_job(4), ready=(0, 1), ready_count=2)

    assert plan_capacity(a_snapshot(TPU, pending=[half]), NOW).creates == ()


def test_a_stuck_deletion_is_shown_and_holds_quota() -> None:
    group = a_group(max_slices=1, delete_timeout=60.0)
    stuck = a_slice(group, "s", state=SliceState.DELETING, deleting_at=NOW - 61)

    plan = plan_capacity(a_snapshot(group, slices=[stuck], pending=[a_job()]), NOW)

    assert plan.creates == ()
    assert "the deletion of s is stuck" in plan.groups[0].because
