"""How gangs end."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState, SliceState, WorkerState
from iris.planning.gangs import LOOK_AGAIN, SETTLE, START_DEADLINE, plan_verdicts
from iris.planning.plans import Verdict
from iris.planning.snapshot import Snapshot
from tests.support.builders import (
    NOW,
    a_gang,
    a_gang_job,
    a_slice,
    a_snapshot,
    a_tpu_group,
    failed,
    workers_of,
)

TPU = a_tpu_group(4)
JOB = a_gang_job(4)
SUCCEEDED = {"state": AttemptState.SUCCEEDED, "exit_code": 0, "ended_at": NOW - 9}
STOPPED = {
    "state": AttemptState.CANCELLED,
    "cause": EndCause.STOPPED,
    "stop_because": "we asked",
    "ended_at": NOW - 2,
}
LOST = {
    "state": AttemptState.LOST,
    "cause": EndCause.WORKER_LOST,
    "ended_at": NOW - 1,
}


def a_cluster(heard_at: Any = NOW, slice_changes: Any = None, **tasks: Any) -> Snapshot:
    home = a_slice(TPU, "s", **(slice_changes or {}))
    workers = workers_of(home, TPU, heard_at=heard_at)
    gang = a_gang(JOB, home, **tasks)
    return a_snapshot(TPU, slices=[home], workers=workers, gangs=(gang,))


def everyone(changes: Any) -> Any:
    return {f"task_{index}": changes for index in range(4)}


def test_a_gang_that_runs_is_left_alone() -> None:
    plan = plan_verdicts(a_cluster(), NOW)

    assert (plan.stops, plan.verdicts) == ((), ())


def test_one_member_that_succeeds_early_stops_nobody() -> None:
    assert plan_verdicts(a_cluster(task_1=SUCCEEDED), NOW).stops == ()


def test_when_one_member_fails_all_the_others_are_stopped_once() -> None:
    asked_already = {"stop_because": "asked before"}

    plan = plan_verdicts(a_cluster(task_1=failed(), task_3=asked_already), NOW)

    uids = [stop.attempt_uid for stop in plan.stops]
    assert uids == [f"a-{JOB.uid}-0", f"a-{JOB.uid}-2"]
    assert "task 1 of its gang ended: failed" in plan.stops[0].because
    assert plan.verdicts == ()


@pytest.mark.parametrize("state", ["failed", "preempted", "deleting"])
def test_when_the_slice_goes_all_members_are_stopped(state: str) -> None:
    changes = {"state": SliceState(state), "because": "gone"}

    plan = plan_verdicts(a_cluster(slice_changes=changes), NOW)

    assert len(plan.stops) == 4


def test_when_one_worker_is_lost_all_members_are_stopped() -> None:
    snapshot = a_cluster()
    lost = replace(snapshot.workers[2].worker, state=WorkerState.LOST)
    workers = list(snapshot.workers)
    workers[2] = replace(workers[2], worker=lost)

    plan = plan_verdicts(replace(snapshot, workers=tuple(workers)), NOW)

    assert {stop.because for stop in plan.stops} == {"worker 2 of slice s is lost"}


def test_a_gang_that_succeeded_settles_at_once() -> None:
    plan = plan_verdicts(a_cluster(heard_at=NOW - 100, **everyone(SUCCEEDED)), NOW)

    expected = Verdict(f"g-{JOB.uid}", "succeeded", "", None, "all 4 tasks succeeded")
    assert plan.verdicts == (expected,)


def test_a_failure_is_judged_once_every_worker_was_heard_after_it() -> None:
    ends = everyone(STOPPED) | {"task_2": failed(NOW - 3)}

    early = plan_verdicts(a_cluster(heard_at=NOW - 3 + SETTLE / 2, **ends), NOW)
    late = plan_verdicts(a_cluster(heard_at=NOW - 3 + SETTLE, **ends), NOW)

    assert (early.verdicts, early.next_at) == ((), NOW + LOOK_AGAIN)
    (verdict,) = late.verdicts
    assert (verdict.outcome, verdict.cause) == ("failed", EndCause.EXITED)
    assert verdict.root_attempt_uid == f"a-{JOB.uid}-2"


def test_the_first_failure_is_the_root_and_not_the_echo_of_it() -> None:
    ends = {
        "task_0": failed(NOW - 2, exit_code=134),
        "task_1": failed(NOW - 3, cause=EndCause.OUT_OF_MEMORY, exit_code=137),
        "task_2": failed(NOW - 4, stop_because="its slice is stopped"),
        "task_3": STOPPED,
    }

    (verdict,) = plan_verdicts(a_cluster(**ends), NOW).verdicts

    assert verdict.root_attempt_uid == f"a-{JOB.uid}-1"
    assert verdict.because.startswith("task 1 failed: out-of-memory with status 137")


def test_a_loss_anywhere_is_the_verdict_whoever_reported_first() -> None:
    ends = everyone(failed(NOW - 5)) | {"task_3": LOST}

    (verdict,) = plan_verdicts(a_cluster(heard_at=NOW - 5, **ends), NOW).verdicts

    assert (verdict.outcome, verdict.cause) == ("lost", EndCause.WORKER_LOST)
    assert verdict.root_attempt_uid == f"a-{JOB.uid}-3"


def test_a_failed_prepare_is_never_the_users() -> None:
    ends = everyone(STOPPED) | {"task_0": failed(cause=EndCause.PREPARE_FAILED)}

    (verdict,) = plan_verdicts(a_cluster(**ends), NOW).verdicts

    assert (verdict.outcome, verdict.cause) == ("lost", EndCause.PREPARE_FAILED)


def test_a_suspect_worker_is_waited_for() -> None:
    ends = everyone(failed(NOW - 20))
    snapshot = a_cluster(**ends)
    silent = replace(
        snapshot.workers[0],
        heard_at=NOW - 21,
        worker=replace(snapshot.workers[0].worker, state=WorkerState.SUSPECT),
    )
    lost = replace(silent, worker=replace(silent.worker, state=WorkerState.LOST))
    rest = snapshot.workers[1:]

    waits = plan_verdicts(replace(snapshot, workers=(silent, *rest)), NOW)
    ends_lost = plan_verdicts(replace(snapshot, workers=(lost, *rest)), NOW)

    assert (waits.verdicts, waits.next_at) == ((), NOW + LOOK_AGAIN)
    assert ends_lost.verdicts[0].outcome == "lost"


def test_silence_excused_by_a_restart_is_not_a_sign_of_life() -> None:
    snapshot = a_cluster(heard_at=NOW, **everyone(failed(NOW - 100)))

    plan = plan_verdicts(replace(snapshot, stalled_until=NOW), NOW)

    assert plan.verdicts == ()


def test_members_that_all_ended_because_we_asked_are_no_failure() -> None:
    (verdict,) = plan_verdicts(a_cluster(**everyone(STOPPED)), NOW).verdicts

    assert (verdict.outcome, verdict.because) == ("lost", "we asked")


def test_a_member_that_succeeded_while_another_failed_fails_with_it() -> None:
    ends = everyone(SUCCEEDED) | {"task_1": failed(NOW - 5)}

    (verdict,) = plan_verdicts(a_cluster(**ends), NOW).verdicts

    assert (verdict.outcome, verdict.root_attempt_uid) == ("failed", f"a-{JOB.uid}-1")


def test_a_gang_that_never_starts_is_stopped_at_its_deadline() -> None:
    prepared = {"state": AttemptState.PREPARED, "assigned_at": NOW - START_DEADLINE}

    early = plan_verdicts(a_cluster(task_0=prepared), NOW - 1)
    late = plan_verdicts(a_cluster(task_0=prepared), NOW)

    assert (early.stops, early.next_at) == ((), NOW)
    assert len(late.stops) == 4


def test_a_gang_whose_slice_has_no_row_any_more_is_lost() -> None:
    snapshot = replace(a_cluster(**everyone(failed())), slices=(), workers=())

    (verdict,) = plan_verdicts(snapshot, NOW).verdicts

    assert (verdict.outcome, verdict.because) == ("lost", "slice s is gone")
