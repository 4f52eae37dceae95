"""What people saw in systems like this one, and what planning makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState, SliceState, WorkerState
from iris.planning.autoscaler import plan_capacity
from iris.planning.gangs import plan_verdicts
from iris.planning.lifecycle import Seen, Sighted, plan_lifecycle
from iris.planning.refusals import refusal
from iris.planning.scheduler import RESERVE_AFTER, plan_assignments
from tests.support.builders import (
    BATCH,
    NOW,
    PRODUCTION,
    a_gang,
    a_gang_job,
    a_group,
    a_job,
    a_pending,
    a_slice,
    a_snapshot,
    a_tpu_group,
    a_worker,
    failed,
    resources,
    workers_of,
)

CPU = a_group()
TPU = a_tpu_group(4)


def test_tasks_waited_for_slices_that_were_already_dying() -> None:
    """Phantom slices (mar#3568)."""
    group = replace(TPU, max_slices=5)
    states = [SliceState.FAILED, SliceState.PREEMPTED, SliceState.DELETING]
    dying = [a_slice(group, f"s{i}", state=state) for i, state in enumerate(states)]

    plan = plan_capacity(a_snapshot(group, slices=dying, pending=[a_gang_job(4)]), NOW)

    assert len(plan.creates) == 1


def test_a_late_status_call_destroyed_a_healthy_job() -> None:
    """Unknown is never gone (sky#10123)."""
    home = a_slice(TPU, missed=1)
    snapshot = a_snapshot(TPU, slices=[home])
    unlisted = Sighted(NOW, (), frozenset(TPU.zones))

    assert plan_lifecycle(snapshot, None, NOW).moves == ()
    assert plan_lifecycle(snapshot, unlisted, NOW).moves == ()


def test_a_state_nobody_knew_was_taken_for_the_end() -> None:
    home = a_slice(TPU)
    odd = Seen(home.name, home.uid, home.group, home.zone, "unclear")

    plan = plan_lifecycle(a_snapshot(TPU, slices=[home]), Sighted(NOW, (odd,)), NOW)

    assert plan.moves == ()


def test_a_new_resource_under_an_old_name_revived_a_dead_one() -> None:
    """Identity is name plus uid (dst#2637)."""
    home = a_slice(TPU, state=SliceState.DELETING, missed=1)
    namesake = Seen(home.name, "another-uid", home.group, home.zone, "up")

    snapshot = a_snapshot(TPU, slices=[home])
    plan = plan_lifecycle(snapshot, Sighted(NOW, (namesake,)), NOW)

    assert [move.to for move in plan.moves] == [SliceState.DELETED]


def test_a_preempted_tpu_stayed_in_the_list_and_kept_its_quota() -> None:
    """It is deleted by us, and holds quota until then (mar#2739, sky#1483)."""
    group = replace(TPU, max_slices=1)
    home = a_slice(group, "s")
    taken = Seen("s", home.uid, home.group, home.zone, "preempted")

    first = plan_lifecycle(
        a_snapshot(group, slices=[home]), Sighted(NOW, (taken,)), NOW
    )
    home = replace(home, state=first.moves[0].to)
    snapshot = a_snapshot(group, slices=[home], pending=[a_gang_job(4)])
    second = plan_lifecycle(snapshot, Sighted(NOW, (taken,)), NOW)

    assert [move.to for move in second.moves] == [SliceState.DELETING]
    assert plan_capacity(snapshot, NOW).creates == ()


def test_booted_tpus_were_deleted_because_an_operation_was_slow() -> None:
    """Readiness comes from the workers, within the boot's own time (mar#6087)."""
    home = a_slice(TPU, state=SliceState.BOOTING, booting_at=NOW - 800)
    up = Seen(home.name, home.uid, home.group, home.zone, "up")

    plan = plan_lifecycle(a_snapshot(TPU, slices=[home]), Sighted(NOW, (up,)), NOW)

    assert plan.moves == ()


def test_a_resource_created_a_second_ago_was_missing_from_the_list() -> None:
    home = a_slice(TPU, state=SliceState.CREATING, created_at=NOW - 1, missed=1)

    plan = plan_lifecycle(a_snapshot(TPU, slices=[home]), Sighted(NOW, ()), NOW)

    assert (plan.moves, plan.sightings) == ((), ())


def test_an_uncancelled_request_was_granted_seventy_minutes_later() -> None:
    """What has no row is deleted, soon but not at once (mar#4759)."""
    granted = Seen("iris-x", "s-x", "tpu", "z", "up", created_at=NOW - 61)

    plan = plan_lifecycle(a_snapshot(TPU), Sighted(NOW, (granted,)), NOW)

    assert [orphan.slice_name for orphan in plan.orphans] == ["iris-x"]


def test_a_gang_ran_on_beside_a_dead_worker() -> None:
    """The slice is the unit of failure (mar#3421)."""
    home, job = a_slice(TPU), a_gang_job(4)
    workers = list(workers_of(home, TPU, live=1))
    dead = replace(workers[1].worker, state=WorkerState.LOST)
    workers[1] = replace(workers[1], worker=dead)
    snapshot = a_snapshot(
        TPU, slices=[home], workers=workers, gangs=(a_gang(job, home),)
    )

    assert len(plan_verdicts(snapshot, NOW).stops) == 4
    moves = plan_lifecycle(snapshot, None, NOW).moves
    assert [move.to for move in moves] == [SliceState.FAILED]


@pytest.mark.parametrize("dead", range(4))
def test_jobs_died_of_user_failures_when_a_host_was_lost(dead: int) -> None:
    """Siblings exit 1 first; the loss is still the cause (mar#5747)."""
    home, job = a_slice(TPU), a_gang_job(4)
    lost = failed(NOW, state=AttemptState.LOST, cause=EndCause.WORKER_LOST)
    ends: dict[str, Any] = {f"task_{i}": failed(NOW - 60 + i) for i in range(4)}
    ends[f"task_{dead}"] = lost
    snapshot = a_snapshot(TPU, slices=[home], gangs=(a_gang(job, home, **ends),))

    (verdict,) = plan_verdicts(snapshot, NOW).verdicts

    assert verdict.outcome == "lost"
    assert verdict.root_attempt_uid == f"a-{job.uid}-{dead}"


def test_an_out_of_memory_was_retried_ten_thousand_times() -> None:
    """It is the user's (mar#4339)."""
    home, job = a_slice(TPU), a_gang_job(4)
    stopped = failed(NOW - 4, cause=EndCause.STOPPED, stop_because="sibling")
    ends = {f"task_{i}": stopped for i in range(4)}
    ends["task_2"] = failed(NOW - 5, cause=EndCause.OUT_OF_MEMORY)
    snapshot = a_snapshot(TPU, slices=[home], gangs=(a_gang(job, home, **ends),))

    (verdict,) = plan_verdicts(snapshot, NOW).verdicts

    assert (verdict.outcome, verdict.cause) == ("failed", EndCause.OUT_OF_MEMORY)


def test_one_member_retried_alone_hung_in_a_split_mesh() -> None:
    home = a_slice(TPU)
    alone = a_pending(a_gang_job(4), ready=(2,), ready_count=1)

    plan = plan_assignments(a_snapshot(TPU, slices=[home], pending=[alone]), NOW)

    assert plan.placements == ()


def test_the_next_gang_started_while_the_old_one_still_held_the_chips() -> None:
    """A slot is free once its worker has confirmed the end (mar#5470)."""
    home = a_slice(TPU)
    workers = list(workers_of(home, TPU))
    workers[3] = a_worker(home, TPU, 3, free=resources(12, 92), live=1)

    snapshot = a_snapshot(TPU, slices=[home], workers=workers, pending=[a_gang_job(4)])

    assert plan_assignments(snapshot, NOW).placements == ()


def test_freed_hosts_were_taken_before_the_gang_was_back_in_line() -> None:
    """Nobody gets the slice while the gang's end is being judged (mar#5702)."""
    home, job = a_slice(TPU), a_gang_job(4, band=PRODUCTION)
    ended = a_gang(job, home, **{f"task_{i}": failed(NOW) for i in range(4)})
    thief = a_gang_job(4, band=BATCH, submitted_at=NOW - 900)
    judged = a_snapshot(TPU, slices=[home], pending=[thief], gangs=(ended,))
    back = a_snapshot(TPU, slices=[home], pending=[thief, job])

    assert plan_assignments(judged, NOW).placements == ()
    assert [p.job_uid for p in plan_assignments(back, NOW).placements] == [job.uid]


def test_a_multi_host_type_asked_with_one_task_hung_on_one_host() -> None:
    """Tasks per slice follow from the type (mar#3231)."""
    home, job = a_slice(TPU), a_gang_job(4, tasks=1, gang=False)

    plan = plan_assignments(a_snapshot(TPU, slices=[home], pending=[job]), NOW)

    assert plan.placements == ()
    assert "4 tasks" in (refusal(job.spec, (TPU,)) or "")


def test_a_stream_of_small_jobs_starved_a_big_one_for_ever() -> None:
    home = a_slice(CPU, "s")
    big = a_job("big", resources=resources(8))
    busy = [a_worker(home, CPU, free=resources(1, 4), live=7)]

    for now, started in ((NOW, 1), (NOW + RESERVE_AFTER, 0)):
        small = a_job(submitted_at=now)
        snapshot = a_snapshot(CPU, slices=[home], workers=busy, pending=[big, small])
        assert len(plan_assignments(snapshot, now).placements) == started
