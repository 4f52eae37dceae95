"""What the simulation found, each named after what one would have seen."""

from __future__ import annotations

import pytest

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport, Heartbeat
from iris.domain.states import AttemptState, JobState, SliceState, TaskState
from iris.errors import Conflict
from iris.planning.gangs import START_DEADLINE, plan_verdicts
from iris.planning.lifecycle import STOP_DEADLINE, plan_lifecycle
from iris.planning.plans import Verdict, VerdictPlan
from tests.support.fleet import CPU, TPU, Fleet, ended, ran


def test_a_gang_that_failed_for_good_stayed_for_ever():
    """Its job's row was applied before its tasks' rows, and the commit broke."""
    fleet = Fleet()
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=len(workers), gang=True)
    uids = fleet.place(job, *workers)
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ran(uid)])
        fleet.beat(worker, [ended(uid, AttemptState.FAILED, code=1)])
    (gang,) = fleet.state.snapshot().gangs
    verdict = Verdict(gang.uid, "failed", uids[0], EndCause.EXITED, "exit status 1")

    fleet.state.commit_verdicts(VerdictPlan((verdict,)))

    assert fleet.journal.job(job.uid).final_state is JobState.FAILED


def test_a_failed_preparation_was_charged_to_the_user():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, worker)
    cause = EndCause.PREPARE_FAILED

    fleet.beat(worker, [AttemptReport(uid, AttemptState.FAILED, cause=cause)])

    task = fleet.journal.row("tasks", job.uid, 0)
    assert (task.state, task.failures, task.losses) == (TaskState.PENDING, 0, 1)


def test_a_reboot_ended_an_attempt_twice_and_the_heartbeat_was_refused():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])

    fleet.state.heartbeat(Heartbeat(worker.uid, "another boot", seq=1000))

    task = fleet.journal.row("tasks", job.uid, 0)
    assert (task.state, task.losses) == (TaskState.PENDING, 1)


def test_a_heartbeat_late_by_a_restart_ended_what_was_running():
    """Two tasks shared the CPUs of one, and then the same task ran twice."""
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    late = Heartbeat(worker.uid, worker.boot_id, seq=50)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)], seq=51)
    fleet.restart()

    fleet.state.heartbeat(late)

    assert fleet.task_state(job) is TaskState.RUNNING


def test_a_heartbeat_of_a_former_boot_ended_what_the_new_one_ran():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    former = Heartbeat(worker.uid, worker.boot_id, seq=50)
    fleet.state.heartbeat(Heartbeat(worker.uid, "new boot", seq=51))
    (uid,) = fleet.place(job, worker)
    fleet.state.heartbeat(
        Heartbeat(worker.uid, "new boot", seq=52, attempts=(ran(uid),))
    )

    fleet.state.heartbeat(former)

    assert fleet.task_state(job) is TaskState.RUNNING


def test_a_program_that_nothing_can_kill_kept_its_slice_for_ever():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(stop_grace=10.0)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])
    fleet.state.cancel_job(job.uid, "ada")

    fleet.clock.advance(10.0)
    early = plan_lifecycle(fleet.state.snapshot(), None, fleet.clock.now())
    fleet.clock.advance(STOP_DEADLINE)
    late = plan_lifecycle(fleet.state.snapshot(), None, fleet.clock.now())

    assert early.moves == ()
    assert early.next_at == fleet.clock.now()
    (move,) = late.moves
    assert (move.slice_name, move.to) == (worker.slice_name, SliceState.FAILED)
    assert "do not end" in move.because


def test_a_single_task_whose_preparation_hung_waited_for_ever():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, worker)

    fleet.clock.advance(START_DEADLINE)
    plan = plan_verdicts(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_verdicts(plan)

    assert [stop.attempt_uid for stop in plan.stops] == [uid]
    again = plan_verdicts(fleet.state.snapshot(), fleet.clock.now())
    assert again.stops == ()


def test_a_child_that_failed_in_the_heartbeat_that_ended_its_parent_lived_for_ever():
    """Its task was in line again, and could neither start nor end."""
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    parent = fleet.submit(name="parent")
    child = fleet.submit(name="child", parent=parent.uid, max_retries=1)
    (first,), (second,) = fleet.place(parent, worker), fleet.place(child, worker)
    fleet.beat(worker, [ran(first), ran(second)])

    failed = ended(second, AttemptState.FAILED, code=1)
    fleet.beat(worker, [failed, ended(first)])

    assert fleet.journal.job(child.uid).final_state is JobState.CANCELLED
    assert fleet.state.snapshot().pending == ()


def test_a_child_that_came_while_its_parent_was_being_cancelled_went_on_without_it():
    """It was on its way as the others were cancelled, and started after them."""
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    parent = fleet.submit(name="parent")
    (uid,) = fleet.place(parent, worker)
    fleet.beat(worker, [ran(uid)])
    fleet.state.cancel_job(parent.uid, "ada")

    with pytest.raises(Conflict, match="which submits it, is being cancelled"):
        fleet.submit(name="child", parent=parent.uid)


def test_work_on_a_worker_that_began_anew_waited_until_something_else_happened():
    """Nobody woke the scheduler as the worker was back."""
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    heard: list[str] = []
    fleet.state.listen(lambda changed: heard.extend(e.kind for e in changed.events))
    ending = Heartbeat(worker.uid, worker.boot_id, seq=1000, is_ending=True)
    fleet.state.heartbeat(ending)
    fleet.submit()
    heard.clear()

    for seq in (1001, 1002):
        fleet.state.heartbeat(Heartbeat(worker.uid, "another boot", seq=seq))

    assert heard == ["worker began anew"]


def test_a_child_with_nothing_left_but_to_be_cancelled_never_ended():
    """It was looked at before its parent, whose end in the same moment was its own."""
    fleet = Fleet(numbers=iter(range(999, 0, -1)))  # the child's uid comes first
    (worker,) = fleet.boot(CPU)
    parent = fleet.submit(name="parent")
    child = fleet.submit(name="child", parent=parent.uid, tasks=2)
    (first,), (second,) = fleet.place(parent, worker), fleet.place(child, worker)
    fleet.beat(worker, [ran(first), ran(second)])

    fleet.beat(worker, [ended(second), ended(first)])

    assert child.uid < parent.uid
    assert fleet.journal.job(child.uid).final_state is JobState.CANCELLED
