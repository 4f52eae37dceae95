"""The scheduler's turn, called without its thread."""

from __future__ import annotations

from iris.controller.scheduling import Scheduling, earliest
from iris.domain.jobs import Constraints
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, TaskState
from iris.planning.gangs import START_DEADLINE
from tests.support.fleet import CPU, TPU, Fleet, ended, ran


def test_what_waits_is_assigned_and_a_second_turn_changes_nothing():
    fleet = Fleet()
    fleet.boot(CPU)
    job = fleet.submit(tasks=2, resources=Resources(cpus=1))
    scheduling = Scheduling(fleet.state, fleet.clock)

    scheduling.schedule_once()
    seq = fleet.state.seq
    scheduling.schedule_once()

    assert fleet.task_state(job, 0) is TaskState.ASSIGNED
    assert fleet.task_state(job, 1) is TaskState.ASSIGNED
    assert fleet.state.seq == seq


def test_a_gang_is_settled_and_its_next_start_is_placed_in_one_turn():
    fleet = Fleet()
    workers = fleet.boot(TPU)
    asked = Constraints(accelerator=TPU.accelerator)
    job = fleet.submit(tasks=len(workers), gang=True, max_retries=1, constraints=asked)
    uids = fleet.place(job, *workers)
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ran(uid)])
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ended(uid, AttemptState.FAILED, code=1)])
    fleet.clock.advance(60.0)
    for worker in workers:
        fleet.beat(worker)

    Scheduling(fleet.state, fleet.clock).schedule_once()

    with fleet.state.reading() as tables:
        numbers = [a.number for a in tables.attempts.values()]
    assert numbers == [1] * len(workers)


def test_a_single_attempt_that_never_starts_is_stopped_and_told_so():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, worker)
    scheduling = Scheduling(fleet.state, fleet.clock)

    next_at = scheduling.schedule_once()
    fleet.clock.advance(START_DEADLINE)
    scheduling.schedule_once()

    assert next_at == fleet.clock.now()
    (desired,) = fleet.beat(worker).attempts
    assert (desired.uid, desired.want) == (uid, "stop")
    assert "did not start" in desired.because


def test_the_earliest_of_times_leaves_out_those_that_mean_never():
    assert earliest(0.0, 7.0, 5.0) == 5.0
    assert earliest(0.0, 0.0) == 0.0
