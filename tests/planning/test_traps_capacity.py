"""What people saw of autoscalers and their explanations, and what we make of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.domain.jobs import Capacity, Constraints
from iris.domain.states import WorkerState
from iris.planning.autoscaler import plan_capacity
from iris.planning.explain import explain_job
from iris.planning.liveness import plan_liveness
from iris.planning.scheduler import plan_assignments
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
    workers_of,
)

CPU = a_group()
TPU = a_tpu_group(4)


def test_demand_without_the_ready_compared_with_capacity_with_them() -> None:
    """One full slice and one waiting gang: grow (mar#3577)."""
    home = a_slice(TPU)
    busy = workers_of(home, TPU, free=resources(12, 92), live=1)

    snapshot = a_snapshot(TPU, slices=[home], workers=busy, pending=[a_gang_job(4)])

    assert len(plan_capacity(snapshot, NOW).creates) == 1


def test_cpu_tasks_walked_up_through_the_tpu_groups() -> None:
    """They are packed, and never a reason for an accelerator (mar#3188)."""
    cpu = replace(CPU, max_slices=1)
    job = a_job(tasks=100)
    idle_tpu = a_slice(TPU)

    snapshot = a_snapshot(cpu, TPU, slices=[idle_tpu], pending=[job])

    assert [create.group for create in plan_capacity(snapshot, NOW).creates] == ["cpu"]
    assert plan_assignments(snapshot, NOW).placements == ()


@pytest.mark.parametrize("reason", ["backoff", "max_slices", "same priority"])
def test_work_spilled_from_spot_to_scarce_on_demand_unasked(reason: str) -> None:
    """Only a capacity constraint asks for it (mar#3174)."""
    spot = a_group("spot", max_slices=0 if reason == "max_slices" else 4)
    priority = 100 if reason == "same priority" else 50
    bought = a_group("bought", capacity=Capacity.ON_DEMAND, priority=priority)
    held = (a_backoff(spot),) if reason == "backoff" else ()

    snapshot = a_snapshot(spot, bought, pending=[a_job()], backoffs=held)
    plan = plan_capacity(snapshot, NOW)

    assert "bought" not in {create.group for create in plan.creates}
    if not plan.creates:
        expected = "bought: on-demand, which the job does not ask for"
        assert expected in plan.jobs[0].because


def test_a_slice_that_took_an_hour_to_boot_was_given_back_after_a_minute() -> None:
    """Each group has its own patience (mar#4821, mar#3616)."""
    quick = a_group("quick", scale_down_delay=60.0)
    slow = a_group("slow", scale_down_delay=7200.0)
    idle = {"ready_at": NOW - 3600, "busy_at": NOW - 3600}
    slices = [a_slice(quick, "q", **idle), a_slice(slow, "s", **idle)]

    plan = plan_capacity(a_snapshot(quick, slow, slices=slices), NOW)

    assert [drain.slice_name for drain in plan.drains] == ["q"]


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(zones=("us-east1-c",)),
        Constraints(regions=("us-east1",)),
        Constraints(capacity=Capacity.SPOT),
        Constraints(labels={"disk": "big"}),
    ],
)
def test_vms_booted_idled_and_died_in_a_loop(constraints: Constraints) -> None:
    """What the autoscaler makes for a task, the scheduler gives to it."""
    group = a_group(zones=("europe-west4-a", "us-east1-c"), labels={"disk": "big"})
    job = a_job(constraints=constraints)
    (create,) = plan_capacity(a_snapshot(group, pending=[job]), NOW).creates

    home = a_slice(group, zone=create.zone)
    plan = plan_assignments(a_snapshot(group, slices=[home], pending=[job]), NOW)

    assert [placement.job_uid for placement in plan.placements] == [job.uid]


def test_fifty_missed_beats_became_ten_minutes() -> None:
    home = a_slice(CPU)
    silent = a_worker(home, CPU, heard_at=NOW - 60, interval=10.0)

    snapshot = a_snapshot(CPU, slices=[home], workers=[silent])

    moves = plan_liveness(snapshot, NOW, 15.0, 60.0).moves
    assert [move.to for move in moves] == [WorkerState.LOST]


def test_every_worker_was_reaped_after_the_controller_itself_had_stalled() -> None:
    home = a_slice(TPU)
    silent = workers_of(home, TPU, heard_at=NOW - 900)

    snapshot = a_snapshot(TPU, slices=[home], workers=silent, stalled_until=NOW)

    assert plan_liveness(snapshot, NOW, 15.0, 60.0).moves == ()


def test_why_answered_with_a_phrase_that_fits_every_job() -> None:
    full = a_slice(CPU, "c")
    busy = [a_worker(full, CPU, free=resources(0, 0), live=8)]
    plain, gang = a_pending(a_job()), a_pending(a_gang_job(4))
    snapshot = a_snapshot(CPU, TPU, slices=[full], workers=busy, pending=[plain, gang])

    told = [explain_job(snapshot, each, NOW) for each in (plain, gang)]

    assert told[0].because != told[1].because
    assert told[0].autoscaler != told[1].autoscaler
    for each in told:
        assert any(obstacle.candidates == 1 for obstacle in each.obstacles)
        assert any(character.isdigit() for character in each.because)
