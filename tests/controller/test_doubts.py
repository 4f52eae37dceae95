"""A machine that fails what others do well is avoided, then replaced."""

from __future__ import annotations

from msgspec.structs import replace

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, SliceState
from iris.planning.autoscaler import plan_capacity
from iris.planning.scheduler import ready_candidates
from tests.support.fleet import CPU, Fleet, ended, ran

ONE_CPU = Resources(cpus=1)
ALONE = replace(CPU, max_slices=1)
FAILED = AttemptState.FAILED


def test_a_worker_on_which_three_jobs_fail_fast_while_others_do_well_is_replaced():
    fleet, bad, good = _two_workers()
    _succeeds(fleet, good)

    states = []
    for _ in range(3):
        states.append(_slice_state(fleet, bad))
        _fails(fleet, bad)

    assert states == [SliceState.READY] * 3
    assert _slice_state(fleet, bad) is SliceState.DRAINING
    assert _slice_state(fleet, good) is SliceState.READY
    with fleet.state.reading() as tables:
        because = tables.slices[bad.slice_name].because
    assert because.startswith("worker 0: 3 jobs failed fast on it in a row (j-")


def test_bad_programs_alone_cost_no_slice():
    fleet, bad, _ = _two_workers()

    for _ in range(5):
        _fails(fleet, bad)

    assert _slice_state(fleet, bad) is SliceState.READY


def test_a_worker_alone_in_its_group_is_replaced_after_six_jobs_if_work_waits():
    fleet = Fleet(groups=(ALONE,))
    (bad,) = fleet.boot(ALONE)

    for _ in range(5):
        _fails(fleet, bad)
    still_trusted = _slice_state(fleet, bad)
    _fails(fleet, bad)

    assert still_trusted is SliceState.READY
    assert _slice_state(fleet, bad) is SliceState.DRAINING
    fleet.submit(resources=ONE_CPU)
    assert _creates(fleet) == ()  # the old one goes first
    fleet.move(bad.slice_name, SliceState.DELETING, SliceState.DELETED)
    assert [each.group for each in _creates(fleet)] == [ALONE.name]


def test_one_job_that_fails_again_and_again_says_little_of_the_worker():
    fleet, bad, good = _two_workers()
    _succeeds(fleet, good)
    job = fleet.submit(tasks=5, resources=ONE_CPU)

    for uid in fleet.place(job, *[bad] * 5):
        fleet.beat(bad, [ended(uid, FAILED, 1)])

    assert _slice_state(fleet, bad) is SliceState.READY


def test_a_success_in_between_clears_the_worker():
    fleet, bad, good = _two_workers()
    _succeeds(fleet, good)
    for _ in range(2):
        _fails(fleet, bad)

    _succeeds(fleet, bad)
    _succeeds(fleet, good)
    _fails(fleet, bad)

    assert _slice_state(fleet, bad) is SliceState.READY


def test_memory_and_time_that_ran_out_are_never_the_machines_fault():
    fleet, bad, good = _two_workers()
    _succeeds(fleet, good)

    for cause in (EndCause.OUT_OF_MEMORY, EndCause.TIMED_OUT, EndCause.OUT_OF_MEMORY):
        (uid,) = fleet.place(fleet.submit(resources=ONE_CPU), bad)
        fleet.beat(bad, [AttemptReport(uid, FAILED, exit_code=137, cause=cause)])

    assert _slice_state(fleet, bad) is SliceState.READY


def test_a_worker_in_doubt_is_tried_last():
    fleet, first, second = _two_workers()
    snapshot = fleet.state.snapshot()
    front = ready_candidates(snapshot)[0].uid
    bad = first if front == first.uid else second

    _fails(fleet, bad)

    order = [each.uid for each in ready_candidates(fleet.state.snapshot())]
    assert order[-1] == bad.uid


def test_doubts_survive_a_restart():
    fleet, bad, good = _two_workers()
    for _ in range(2):
        _fails(fleet, bad)

    fleet.restart()
    _succeeds(fleet, good)
    _fails(fleet, bad)

    assert _slice_state(fleet, bad) is SliceState.DRAINING


def test_an_attempt_that_could_not_be_prepared_is_tried_again_after_a_pause():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=ONE_CPU)
    (uid,) = fleet.place(job, worker)

    report = AttemptReport(uid, FAILED, cause=EndCause.PREPARE_FAILED)
    fleet.beat(worker, [report])

    with fleet.state.reading() as tables:
        task = tables.tasks[job.uid].task(0)
    assert (task.failures, task.losses) == (0, 1)
    assert task.not_before == fleet.clock.now() + 1


def test_a_failed_job_names_the_attempt_that_was_the_cause():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=3, resources=ONE_CPU, max_retries=1)
    uids = fleet.place(job, worker, worker, worker)
    fleet.beat(worker, [ended(uids[0]), ended(uids[1]), ended(uids[2], FAILED, 3)])
    fleet.clock.advance(5)

    (again,) = fleet.place(job, worker, first=2)
    fleet.beat(worker, [ended(again, FAILED, 4)])

    kept = fleet.journal.job(job.uid)
    assert (kept.blamed_task, kept.blamed_attempt) == (2, 1)
    assert kept.because.startswith("task 2: attempt 1 on ")


def _creates(fleet):
    return plan_capacity(fleet.state.snapshot(), fleet.clock.now()).creates


def _two_workers():
    fleet = Fleet()
    (bad,), (good,) = fleet.boot(CPU), fleet.boot(CPU)
    return fleet, bad, good


def _fails(fleet, worker):
    (uid,) = fleet.place(fleet.submit(resources=ONE_CPU), worker)
    fleet.beat(worker, [ended(uid, FAILED, 1)])


def _succeeds(fleet, worker):
    fleet.clock.advance(1)
    (uid,) = fleet.place(fleet.submit(resources=ONE_CPU), worker)
    fleet.beat(worker, [ran(uid)])
    fleet.beat(worker, [ended(uid)])


def _slice_state(fleet, worker):
    with fleet.state.reading() as tables:
        return tables.slices[worker.slice_name].state
