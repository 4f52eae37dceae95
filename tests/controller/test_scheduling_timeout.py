"""A job none of whose tasks could start in time has failed, and says why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.domain.preparing import SETUP_RUNS, words_of_lack
from iris.domain.protocol import AttemptReport
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState
from iris.planning.gangs import plan_verdicts
from iris.planning.scheduler import plan_assignments
from iris.planning.snapshot import MOST_LATE
from tests.support.fleet import CPU, TPU, Fleet, ended, ran

ONE_CPU = Resources(cpus=1)
LACK = words_of_lack(10**9, 10**12, 0)
PREPARED = AttemptState.PREPARED


def preparing(uid: str, detail: str = "") -> AttemptReport:
    return AttemptReport(uid, AttemptState.PREPARING, detail=detail)


def expired(fleet):
    """What the scheduler gives up now, and does."""
    plan = plan_assignments(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_scheduling(plan)
    return plan.expired


def test_a_job_that_never_starts_fails_at_its_scheduling_timeout():
    fleet = Fleet()
    job = fleet.submit(tasks=2, scheduling_timeout=60.0)
    calm = plan_assignments(fleet.state.snapshot(), fleet.clock.now())
    fleet.clock.advance(60)

    plan = plan_assignments(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_scheduling(plan)

    assert calm.expired == ()
    assert 0 < calm.next_at <= job.submitted_at + 60
    kept = fleet.journal.job(job.uid)
    assert kept.final_state is JobState.FAILED
    assert kept.because.startswith("it did not start within 60 s: there is no worker")


def test_a_job_that_started_once_may_wait_for_its_retry():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=ONE_CPU, scheduling_timeout=60.0)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])
    fleet.beat(worker, [AttemptReport(uid, AttemptState.LOST)])
    fleet.state.drain_worker(worker.uid, "ops")
    fleet.clock.advance(100)

    plan = plan_assignments(fleet.state.snapshot(), fleet.clock.now())

    assert plan.expired == ()


@pytest.mark.parametrize("gang", [False, True])
def test_one_that_waits_on_its_vm_for_what_that_lacks_has_not_started(gang):
    fleet = Fleet()
    workers = fleet.boot(TPU if gang else CPU)
    job = fleet.submit(
        tasks=len(workers), gang=gang, resources=ONE_CPU, scheduling_timeout=60.0
    )
    first, *others = fleet.place(job, *workers)
    fleet.beat(workers[0], [preparing(first, LACK)])
    for worker, uid in zip(workers[1:], others, strict=True):
        fleet.beat(worker, [AttemptReport(uid, PREPARED)])
    calm = plan_assignments(fleet.state.snapshot(), fleet.clock.now())
    fleet.clock.advance(60)

    (gone,) = expired(fleet)
    for worker, uid in zip(workers, (first, *others), strict=True):
        answer = fleet.beat(worker, [preparing(uid, LACK)])
        assert [each.want for each in answer.attempts] == ["stop"]
        fleet.beat(worker, [ended(uid, AttemptState.CANCELLED)])
    plan = plan_verdicts(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_verdicts(plan)

    assert calm.next_at == job.submitted_at + 60
    assert (gone.job_uid, gone.because) == (job.uid, LACK)
    kept = fleet.journal.job(job.uid)
    assert kept.final_state is JobState.FAILED
    assert kept.because == f"it did not start within 60 s: {LACK}"


@pytest.mark.parametrize("detail", ["", SETUP_RUNS])
def test_one_that_is_being_prepared_goes_on(detail):
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=3, resources=ONE_CPU, scheduling_timeout=60.0)
    uid, other = fleet.place(job, worker, worker)
    fleet.beat(worker, [preparing(uid, detail), preparing(other, LACK)])
    fleet.state.drain_worker(worker.uid, "ops")  # the third waits
    fleet.clock.advance(100)

    assert expired(fleet) == ()


@pytest.mark.parametrize(
    ("tasks", "detail", "expected"),
    [(2, SETUP_RUNS, []), (2, "", []), (1, LACK, [LACK])],
)
def test_it_is_seen_though_very_many_others_start(tasks, detail, expected):
    room = Resources(cpus=2 * MOST_LATE, memory_bytes=8_000)
    fleet = Fleet(groups=(replace(CPU, resources=room),))
    (worker,) = fleet.boot()
    many = fleet.submit(tasks=MOST_LATE, resources=ONE_CPU, name="many")
    uids = fleet.place(many, *[worker] * MOST_LATE)
    job = fleet.submit(tasks=tasks, resources=ONE_CPU, scheduling_timeout=60.0)
    (uid,) = fleet.place(job, worker)  # of two, the other one waits for a worker
    fleet.beat(worker, [*map(preparing, uids), preparing(uid, detail)])
    fleet.state.drain_worker(worker.uid, "ops")
    fleet.clock.advance(60)

    assert [each.because for each in expired(fleet)] == expected


def test_one_that_was_lost_before_it_ran_has_not_started():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=ONE_CPU, scheduling_timeout=60.0)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [preparing(uid, LACK)])
    fleet.beat(worker, [AttemptReport(uid, AttemptState.LOST)])
    fleet.state.drain_worker(worker.uid, "ops")
    fleet.clock.advance(60)

    assert [each.job_uid for each in expired(fleet)] == [job.uid]


def test_a_job_that_started_has_started_for_good():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=2, resources=ONE_CPU, scheduling_timeout=60.0)
    uid, _ = fleet.place(job, worker, worker)
    fleet.beat(worker, [ran(uid)])
    fleet.restart()
    fleet.clock.advance(100)

    assert fleet.state.snapshot().unstarted == ()
    assert expired(fleet) == ()
