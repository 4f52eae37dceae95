"""A task whose machines die soon after its starts: ever later, and alone."""

from __future__ import annotations

import pytest

from iris.domain.fleet import Worker
from iris.domain.jobs import EARLY_LOSSES, EndCause, Job, Task
from iris.domain.protocol import AttemptReport
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, SliceState
from iris.planning.explain import explain_job
from iris.planning.scheduler import RESERVE_AFTER, plan_assignments
from tests.support.fleet import CPU, Fleet, ran

SMALL = Resources(cpus=1)
GONE = (SliceState.FAILED, SliceState.DELETING, SliceState.DELETED)


def the_task(fleet: Fleet, job: Job) -> Task:
    with fleet.state.reading() as tables:
        task = tables.tasks[job.uid].task(0)
    assert task is not None
    return task


def lose(fleet: Fleet, job: Job, worker: Worker, ran_for: float) -> float:
    """It runs for so long when its keeper dies; the pause until it is tried again."""
    fleet.clock.advance(max(the_task(fleet, job).not_before - fleet.clock.now(), 0.0))
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])
    fleet.clock.advance(ran_for)
    fleet.beat(worker, [ran(uid)])
    lost = AttemptReport(uid, AttemptState.LOST, cause=EndCause.WORKER_LOST)
    fleet.beat(worker, [lost])
    return max(the_task(fleet, job).not_before - fleet.clock.now(), 0.0)


def test_the_pause_grows_with_each_machine_that_dies_early():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=SMALL)

    pauses = [lose(fleet, job, worker, ran_for=3.0) for _ in range(13)]

    assert pauses[:5] == [0.0, 4.0, 8.0, 16.0, 32.0]
    assert pauses[-1] == 1800.0
    assert the_task(fleet, job).failures == 0


def test_one_that_ran_for_a_while_is_tried_again_at_once():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=SMALL)
    for _ in range(EARLY_LOSSES):
        lose(fleet, job, worker, ran_for=3.0)

    pause = lose(fleet, job, worker, ran_for=31.0)

    assert (pause, the_task(fleet, job).goes_alone) == (0.0, False)


def test_a_machine_that_died_early_and_is_missed_late_died_early():
    fleet = Fleet()
    job = fleet.submit(resources=SMALL)
    for _ in range(2):
        (worker,) = fleet.boot(CPU)
        (uid,) = fleet.place(job, worker)
        fleet.beat(worker, [ran(uid)])
        fleet.clock.advance(600.0)
        fleet.move(worker.slice_name, *GONE)

    assert the_task(fleet, job).early_losses == 2


@pytest.fixture
def doomed():
    """A task that has become one that goes alone, and is ready."""
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=SMALL, name="doomed")
    pause = [lose(fleet, job, worker, ran_for=3.0) for _ in range(EARLY_LOSSES)][-1]
    fleet.clock.advance(pause)
    return fleet, worker, job


def placed(fleet: Fleet) -> list[str]:
    """Which jobs the scheduler places now, by name."""
    plan = plan_assignments(fleet.state.snapshot(), fleet.clock.now())
    held = fleet.state.commit_scheduling(plan)
    with fleet.state.reading() as tables:
        return [tables.jobs[each.job_uid].name for each in held.placements]


def test_it_does_not_join_others(doomed):
    fleet, worker, job = doomed
    other = fleet.submit(resources=SMALL, name="other")
    fleet.place(other, worker)

    assert placed(fleet) == []
    assert fleet.place(job, worker) == []  # as a plan of before would have it


def test_it_keeps_no_place_from_others_however_long_it_waits(doomed):
    fleet, worker, job = doomed
    fleet.place(fleet.submit(resources=SMALL, name="other"), worker)
    fleet.clock.advance(2 * RESERVE_AFTER)
    fleet.beat(worker)
    fleet.submit(resources=SMALL, name="younger")

    snapshot, now = fleet.state.snapshot(), fleet.clock.now()
    pending = next(each for each in snapshot.pending if each.job.uid == job.uid)
    why = explain_job(snapshot, pending, now)

    assert "has other work, and the task's machines died early" in why.because
    assert why.next_step.endswith("on the next suitable worker that is empty")
    assert placed(fleet) == ["younger"]


def test_no_other_joins_it(doomed):
    fleet, worker, _ = doomed
    assert placed(fleet) == ["doomed"]
    other = fleet.submit(resources=SMALL, name="other")

    assert placed(fleet) == []
    assert fleet.place(other, worker) == []
    with fleet.state.reading() as tables:
        (attempt,) = tables.live_of_worker(worker.uid).values()
    assert attempt.resources == worker.resources


def test_others_that_wait_with_it_get_the_worker_first_and_it_another(doomed):
    fleet, _, _ = doomed
    for number in range(3):
        fleet.submit(resources=SMALL, name=f"other-{number}")
    fleet.restart()
    fleet.boot(CPU)
    for load in fleet.state.snapshot().workers:
        fleet.beat(load.worker)

    names = placed(fleet)

    assert sorted(names) == ["doomed", "other-0", "other-1", "other-2"]
    live = sorted(load.live for load in fleet.state.snapshot().workers)
    assert live == [1, 3]


def test_within_a_job_those_that_go_alone_come_last():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=3, resources=SMALL)
    pause = [lose(fleet, job, worker, ran_for=3.0) for _ in range(EARLY_LOSSES)][-1]
    fleet.clock.advance(pause)

    (pending,) = fleet.state.snapshot().pending
    assert (pending.ready, pending.job.spec.constraints.alone) == ((1, 2), False)
    fleet.place(job, worker, worker, first=1)
    (pending,) = fleet.state.snapshot().pending
    assert (pending.ready, pending.job.spec.constraints.alone) == ((0,), True)
    assert placed(fleet) == []
