"""A machine goes: what runs on it has its signal at once, and until when."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.controller.task_views import task_view
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport, Desired, Heartbeat
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState, SliceState, TaskState
from iris.planning.gangs import plan_verdicts
from tests.support.fleet import CPU, TPU, Fleet, ended, ran

ONE_CPU = Resources(cpus=1)


@pytest.fixture
def fleet():
    return Fleet()


def _run(fleet, **spec):
    """A job of one task that runs: its worker, itself, its attempt."""
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=ONE_CPU, **spec)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])
    return worker, job, uid


def _wanted(fleet, worker, uid) -> Desired:
    (desired,) = fleet.beat(worker, [ran(uid)]).attempts
    return desired


def _lost(uid: str, cause: EndCause) -> AttemptReport:
    return AttemptReport(uid, AttemptState.LOST, 143, cause, "drained by ops")


def test_a_drained_attempt_has_its_signal_at_once_and_the_time_that_is_left(fleet):
    worker, _, uid = _run(fleet)

    fleet.state.drain_worker(worker.uid, "ops", 600.0)
    first = _wanted(fleet, worker, uid)
    fleet.restart()
    fleet.clock.advance(100)
    later = _wanted(fleet, worker, uid)

    drained = Desired(uid, "stop", because="drained by ops", cause=EndCause.DRAINED)
    assert first == replace(drained, grace=600.0)
    assert later == replace(drained, grace=500.0)


def test_a_task_whose_attempt_is_asked_to_end_says_why(fleet):
    worker, job, _ = _run(fleet)
    fleet.state.drain_worker(worker.uid, "ops", 600.0)

    with fleet.state.reading() as tables:
        view = task_view(job, tables.tasks[job.uid].touched[0], tables.attempts)

    assert view.because == "asked to end: drained by ops"


def test_a_drain_without_a_deadline_lets_what_runs_end_by_itself(fleet):
    worker, _, uid = _run(fleet)

    fleet.state.drain_worker(worker.uid, "ops")

    assert _wanted(fleet, worker, uid).want == "run"


def test_a_drained_attempt_is_a_loss_and_the_next_one_knows_why(fleet):
    worker, job, uid = _run(fleet)
    fleet.state.drain_worker(worker.uid, "ops", 600.0)

    fleet.beat(worker, [_lost(uid, EndCause.DRAINED)])

    with fleet.state.reading() as tables:
        task = tables.tasks[job.uid].task(0)
    assert (task.failures, task.losses) == (0, 1)
    (other,) = fleet.boot(CPU)
    fleet.place(job, other)
    (desired,) = fleet.beat(other).attempts
    assert desired.spec.resumes.endswith("/0 drained: drained by ops")


def test_an_attempt_that_is_done_before_its_deadline_has_succeeded(fleet):
    worker, job, uid = _run(fleet)
    fleet.state.drain_worker(worker.uid, "ops", 600.0)

    fleet.beat(worker, [ended(uid)])

    assert fleet.journal.job(job.uid).final_state is JobState.SUCCEEDED


def test_the_nearest_of_several_deadlines_stands(fleet):
    worker, _, uid = _run(fleet)

    graces = []
    for seconds in (600.0, 60.0, 3600.0):
        fleet.state.drain_worker(worker.uid, "ops", seconds)
        graces.append(_wanted(fleet, worker, uid).grace)

    assert graces == [600.0, 60.0, 60.0]


def test_a_drain_that_let_work_end_may_be_followed_by_one_with_a_deadline(fleet):
    worker, _, uid = _run(fleet)
    fleet.state.drain_worker(worker.uid, "ops")

    fleet.state.drain_worker(worker.uid, "ops", 60.0)

    assert _wanted(fleet, worker, uid).grace == 60.0


def test_a_persons_cancel_goes_before_a_drain(fleet):
    worker, job, uid = _run(fleet, stop_grace=20.0)
    fleet.state.drain_worker(worker.uid, "ops", 600.0)

    fleet.state.cancel_job(job.uid, "ada")

    assert _wanted(fleet, worker, uid) == Desired(
        uid, "stop", because="cancelled by ada"
    )
    with fleet.state.reading() as tables:
        assert tables.attempts[uid].stop_by == fleet.clock.now() + 20


def test_a_cluster_that_stops_gives_each_job_its_own_grace(fleet):
    worker, _, uid = _run(fleet, stop_grace=45.0)

    fleet.state.drain_cluster("ops")

    wanted = _wanted(fleet, worker, uid)
    assert (wanted.cause, wanted.grace) == (EndCause.DRAINED, 45.0)


def test_a_notice_comes_before_the_deadline_of_a_drain(fleet):
    worker, _, uid = _run(fleet)
    fleet.state.drain_worker(worker.uid, "ops", 600.0)

    fleet.state.heartbeat(_notice(worker, ran(uid)))

    wanted = _wanted(fleet, worker, uid)
    assert (wanted.cause, wanted.grace) == (EndCause.PREEMPTED, 25.0)


def test_a_notice_to_one_vm_is_told_to_the_whole_gang_at_once(fleet):
    workers, _, uids = _gang(fleet)

    fleet.state.heartbeat(_notice(workers[2], ran(uids[2])))

    told = [_wanted(fleet, *each) for each in zip(workers, uids, strict=True)]
    assert {each.cause for each in told} == {EndCause.PREEMPTED}
    assert {each.grace for each in told} == {25.0}
    assert {each.because for each in told} == {"worker 2: the cloud preempts"}


def test_members_of_a_gang_may_use_the_deadline_after_the_first_has_left(fleet):
    workers, job, uids = _gang(fleet)
    fleet.state.drain_worker(workers[0].uid, "ops", 600.0)
    fleet.beat(workers[0], [_lost(uids[0], EndCause.DRAINED)])

    fleet.clock.advance(60)
    _settle(fleet)
    saving = [_wanted(fleet, *each) for each in zip(workers[1:], uids[1:], strict=True)]
    for worker, uid in zip(workers[1:], uids[1:], strict=True):
        fleet.beat(worker, [ended(uid)])
    _settle(fleet)

    assert {(each.cause, each.grace) for each in saving} == {(EndCause.DRAINED, 540.0)}
    with fleet.state.reading() as tables:
        tasks = [tables.tasks[job.uid].task(index) for index in range(4)]
    assert {(task.failures, task.losses) for task in tasks} == {(0, 1)}
    assert "drained by ops" in tasks[3].reason


def test_nothing_begins_on_a_worker_whose_keeper_was_told_to_end(fleet):
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=ONE_CPU)
    ending = Heartbeat(worker.uid, worker.boot_id, 10**9, is_ending=True)

    fleet.state.heartbeat(ending)
    meanwhile = fleet.place(job, worker)
    fleet.state.heartbeat(
        replace(ending, boot_id="anew", seq=10**9 + 1, is_ending=False)
    )

    assert meanwhile == []
    assert fleet.task_state(job) is TaskState.PENDING
    assert len(fleet.place(job, worker)) == 1
    with fleet.state.reading() as tables:
        assert tables.slices[worker.slice_name].state is SliceState.READY


def _gang(fleet):
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, resources=Resources(chips=4), gang=True)
    uids = fleet.place(job, *workers)
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ran(uid)])
    return workers, job, uids


def _settle(fleet):
    plan = plan_verdicts(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_verdicts(plan)


def _notice(worker, *reports):
    words = {"notice": "the cloud preempts", "goes_in": 25.0}
    return Heartbeat(worker.uid, worker.boot_id, 10**6, attempts=reports, **words)
