"""A gang starts together, ends together, and goes again together."""

from __future__ import annotations

import pytest

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState, TaskState
from iris.planning.gangs import plan_verdicts
from iris.planning.plans import Verdict, VerdictPlan
from tests.support.fleet import TPU, Fleet, ended

FAILED = AttemptState.FAILED


def test_a_gang_starts_only_when_all_of_it_is_prepared():
    fleet = Fleet()
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, gang=True)
    uids = fleet.place(job, *workers)

    wants = []
    for worker, uid in zip(workers, uids, strict=True):
        report = _prepared(uid, port=7000 + worker.index)
        answer = fleet.beat(worker, [report])
        wants.append((answer.attempts[0].want, answer.attempts[0].coordinator))

    assert wants == [("run", "")] * 3 + [("go", "127.0.0.1:7000")]


def test_a_gang_of_which_one_worker_is_missing_is_not_placed_at_all():
    fleet = Fleet()
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, gang=True)
    fleet.state.drain_worker(workers[3].uid, "ops")

    assert fleet.place(job, *workers) == []


def test_a_gangs_failure_is_charged_once_and_all_members_go_again_together():
    fleet = Fleet()
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, gang=True, max_retries=1)
    uids = fleet.place(job, *workers)
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ended(uid, FAILED, 1)])
    with fleet.state.reading() as tables:
        (gang_uid,) = tables.gangs

    verdict = Verdict(gang_uid, "failed", uids[2], None, "task 2 exited with 1")
    fleet.state.commit_verdicts(VerdictPlan(verdicts=(verdict,)))

    with fleet.state.reading() as tables:
        tasks = [tables.tasks[job.uid].task(index) for index in range(4)]
        assert tables.gangs == {}
        assert tables.attempts == {}
    assert [task.failures for task in tasks] == [0, 0, 1, 0]
    assert {task.state for task in tasks} == {TaskState.PENDING}


@pytest.mark.parametrize(
    ("outcome", "limits", "because"),
    [
        ("failed", {}, "task 2 failed: exited with status 1"),
        ("lost", {"max_losses": 0}, "task 2 lost"),
    ],
)
def test_the_end_of_a_gang_names_its_task_once(outcome, limits, because):
    fleet = Fleet()
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, gang=True, **limits)
    uids = fleet.place(job, *workers)
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ended(uid, FAILED, 1)])
    with fleet.state.reading() as tables:
        (gang_uid,) = tables.gangs

    verdict = Verdict(gang_uid, outcome, uids[2], None, because)
    fleet.state.commit_verdicts(VerdictPlan(verdicts=(verdict,)))

    *_, last = fleet.state.recent_events(0)
    assert (last.kind, last.because) == ("job failed", because)


def test_a_gang_cancelled_while_a_failed_members_place_is_kept_has_failed():
    fleet = Fleet()
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, gang=True, keep_on_failure=60, max_retries=5)
    uids = fleet.place(job, *workers)
    kept = AttemptReport(uids[2], AttemptState.RUNNING, kept_until=60.0)
    fleet.beat(workers[2], [kept])

    fleet.state.cancel_job(job.uid, "ada")
    for worker, uid in zip(workers, uids, strict=True):
        is_kept = uid == uids[2]
        state = FAILED if is_kept else AttemptState.CANCELLED
        cause = EndCause.EXITED if is_kept else EndCause.STOPPED
        fleet.beat(worker, [AttemptReport(uid, state, 3 if is_kept else 143, cause)])
    fleet.clock.advance(1.0)
    for worker in workers:
        fleet.beat(worker)
    plan = plan_verdicts(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_verdicts(plan)

    *_, last = fleet.state.recent_events(0)
    assert last.kind == "job failed"
    assert last.because.startswith("task 2 failed: exited with status 3 on worker 2")
    assert last.because.endswith("; its place was given up: cancelled by ada")


def _prepared(uid, port):
    return AttemptReport(uid, AttemptState.PREPARED, coordinator_port=port)
