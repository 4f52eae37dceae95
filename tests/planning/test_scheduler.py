"""Which waiting tasks start on which workers."""

from __future__ import annotations

from iris.domain.states import SliceState
from iris.planning.plans import Placement
from iris.planning.scheduler import RESERVE_AFTER, plan_assignments
from tests.support.builders import (
    BATCH,
    INTERACTIVE,
    NOW,
    PRODUCTION,
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


def test_a_task_starts_on_the_worker_that_has_room_for_it() -> None:
    job, home = a_job(), a_slice(CPU, "s")

    plan = plan_assignments(a_snapshot(CPU, slices=[home], pending=[job]), NOW)

    assert plan.placements == (Placement(job.uid, False, ((0, "w-s-0"),)),)
    assert plan.waiting == ()
    assert plan.next_at == 0.0


def test_cpus_promised_earlier_in_the_plan_are_not_promised_again() -> None:
    first, second = (a_job(resources=resources(5)) for _ in range(2))
    home = a_slice(CPU, "s")

    snapshot = a_snapshot(CPU, slices=[home], pending=[first, second])
    plan = plan_assignments(snapshot, NOW)

    assert [each.job_uid for each in plan.placements] == [first.uid]
    assert [each.job_uid for each in plan.waiting] == [second.uid]
    assert "3 CPUs free of 5 CPUs needed" in plan.waiting[0].because


def test_bands_come_before_age_and_age_before_nothing_else() -> None:
    bands = [BATCH, INTERACTIVE, PRODUCTION, PRODUCTION, INTERACTIVE]
    jobs = [a_job(band=band, resources=resources(8)) for band in bands]
    slices = [a_slice(CPU, f"s{i}") for i in range(4)]

    plan = plan_assignments(a_snapshot(CPU, slices=slices, pending=jobs), NOW)

    served = [each.job_uid for each in plan.placements]
    assert served == [jobs[i].uid for i in (2, 3, 1, 4)]
    assert [each.job_uid for each in plan.waiting] == [jobs[0].uid]


def test_small_work_goes_ahead_of_big_work_that_has_no_place_yet() -> None:
    home = a_slice(CPU, "s")
    half_full = a_worker(home, CPU, free=resources(4, 16), live=1)
    big, small = a_job(resources=resources(8)), a_job()

    snapshot = a_snapshot(CPU, slices=[home], workers=[half_full], pending=[big, small])
    plan = plan_assignments(snapshot, NOW)

    assert [each.job_uid for each in plan.placements] == [small.uid]
    assert plan.next_at == NOW + RESERVE_AFTER


def test_big_work_that_waits_too_long_keeps_the_place_that_empties_soonest() -> None:
    homes = [a_slice(CPU, "s0"), a_slice(CPU, "s1")]
    workers = [
        a_worker(homes[0], CPU, free=resources(4, 16), live=4),
        a_worker(homes[1], CPU, free=resources(4, 16), live=1),
    ]
    big = a_job("big", resources=resources(8), submitted_at=NOW - RESERVE_AFTER)
    small = a_job(tasks=8)

    snapshot = a_snapshot(CPU, slices=homes, workers=workers, pending=[big, small])
    plan = plan_assignments(snapshot, NOW)

    assert [w for _, w in plan.placements[0].tasks] == ["w-s0-0"] * 4
    assert [each.job_uid for each in plan.waiting] == [big.uid, small.uid]
    assert "w-s1-0 is kept for job big" in plan.waiting[1].because
    assert "kept for" not in plan.waiting[0].because


def test_a_gang_is_placed_whole_with_task_index_equal_to_worker_index() -> None:
    job, home = a_gang_job(4), a_slice(TPU, "s")

    plan = plan_assignments(a_snapshot(TPU, slices=[home], pending=[job]), NOW)

    tasks = tuple((index, f"w-s-{index}") for index in range(4))
    assert plan.placements == (Placement(job.uid, True, tasks),)


def test_a_gang_waits_while_one_worker_of_the_slice_is_missing_or_taken() -> None:
    job, home = a_gang_job(4), a_slice(TPU, "s")
    workers = list(workers_of(home, TPU))
    taken = a_worker(home, TPU, 2, free=resources(112, 192, chips=3), live=1)

    missing = a_snapshot(TPU, slices=[home], workers=workers[:3], pending=[job])
    busy = [*workers[:2], taken, workers[3]]
    partly = a_snapshot(TPU, slices=[home], workers=busy, pending=[job])

    first, second = plan_assignments(missing, NOW), plan_assignments(partly, NOW)
    assert first.placements == second.placements == ()
    assert "slice s has 3 of its 4 workers" in first.waiting[0].because
    assert "3 chips free of 4 chips needed" in second.waiting[0].because


def test_a_gang_waits_until_all_of_it_is_ready() -> None:
    job, home = a_gang_job(4), a_slice(TPU, "s")
    pending = a_pending(
        job, ready=(0, 1), ready_count=2, later_count=2, next_ready_at=NOW + 5
    )

    plan = plan_assignments(a_snapshot(TPU, slices=[home], pending=[pending]), NOW)

    assert plan.placements == ()
    assert plan.waiting[0].because.startswith("2 of its 4 tasks are ready to start")
    assert plan.next_at == NOW + 5


def test_work_fills_a_busy_slice_before_it_wakes_an_idle_one() -> None:
    homes = [a_slice(CPU, "s0"), a_slice(CPU, "s1")]
    workers = [
        a_worker(homes[0], CPU),
        a_worker(homes[1], CPU, free=resources(4, 16), live=1),
    ]

    snapshot = a_snapshot(CPU, slices=homes, workers=workers, pending=[a_job()])

    assert plan_assignments(snapshot, NOW).placements[0].tasks == ((0, "w-s1-0"),)


def test_tasks_of_one_job_are_spread_in_bulk_over_what_is_free() -> None:
    homes = [a_slice(CPU, f"s{i}") for i in range(3)]
    job = a_job(tasks=30)

    plan = plan_assignments(a_snapshot(CPU, slices=homes, pending=[job]), NOW)

    (placement,) = plan.placements
    assert [index for index, _ in placement.tasks] == list(range(24))
    assert plan.waiting[0].count == 6


def test_more_tasks_than_a_snapshot_lists_are_placed_turn_by_turn() -> None:
    group = a_group(resources=resources(4000, 4000))
    job = a_job(tasks=3000)
    later = a_job(band=BATCH, tasks=2000)

    snapshot = a_snapshot(group, slices=[a_slice(group)], pending=[job, later])
    plan = plan_assignments(snapshot, NOW)

    placed = {each.job_uid: len(each.tasks) for each in plan.placements}
    assert placed == {job.uid: 1024, later.uid: 1000}
    assert plan.next_at == NOW


def test_why_a_task_waits_counts_the_places_by_what_they_lack() -> None:
    cpu, tpu = a_slice(CPU, "c"), a_slice(TPU, "t")
    coming = a_slice(CPU, "d", state=SliceState.BOOTING, requested_at=NOW)
    full = a_worker(cpu, CPU, free=resources(0, 0), live=8)
    workers = [full, *workers_of(tpu, TPU)]

    snapshot = a_snapshot(
        CPU, TPU, slices=[cpu, tpu, coming], workers=workers, pending=[a_job()]
    )
    because = plan_assignments(snapshot, NOW).waiting[0].because

    assert because.startswith("none of 5 workers will do: ")
    assert "4 for 'accelerator matches' (w-t-0 has v5litepod-16" in because
    assert "1 for 'cpus are free' (w-c-0 has 0 CPUs free" in because
    assert because.endswith("1 that would do on the way (d is booting)")


def test_a_draining_cluster_starts_nothing_and_says_so() -> None:
    snapshot = a_snapshot(
        CPU, slices=[a_slice(CPU)], pending=[a_job()], draining="stopped by ann"
    )

    plan = plan_assignments(snapshot, NOW)

    assert plan.placements == ()
    expected = "the cluster gives its slices back: stopped by ann"
    assert plan.waiting[0].because == expected


def test_a_slice_of_a_group_that_left_the_cluster_file_takes_no_work() -> None:
    old = a_group("old")
    home = a_slice(old)

    snapshot = a_snapshot(
        CPU, slices=[home], workers=workers_of(home, old), pending=[a_job()]
    )

    assert plan_assignments(snapshot, NOW).placements == ()
