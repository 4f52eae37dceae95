"""One user never has more at once than the cluster file allows."""

from __future__ import annotations

import pytest

from iris.config import parse_config
from iris.domain.jobs import Constraints
from iris.domain.resources import Resources, UserLimits
from iris.domain.states import AttemptState, SliceState
from iris.errors import Conflict, JobRefused
from iris.planning.autoscaler import plan_capacity
from iris.planning.explain import explain_job
from iris.planning.gangs import plan_verdicts
from iris.planning.scheduler import plan_assignments
from iris.planning.snapshot import Held
from tests.support.fleet import CPU, TPU, Fleet, ended, ran

ONE_CPU = Resources(cpus=1)
A_VM = Resources(chips=4)
GOES = SliceState.DRAINING, SliceState.DELETING, SliceState.DELETED


def test_no_more_tasks_of_a_user_run_than_the_limit_and_others_go_ahead():
    fleet = Fleet(UserLimits(running_tasks=2))
    fleet.boot(CPU)
    mine = fleet.submit(tasks=3, resources=ONE_CPU)
    other = fleet.submit(resources=ONE_CPU, user="bob", name="other")

    plan = _schedule(fleet)
    again = _schedule(fleet)

    assert _placed(plan) == {mine.uid: 2, other.uid: 1}
    assert _placed(again) == {}
    (waiting,) = again.waiting
    assert waiting.because == (
        "ada has 2 tasks at work or next in line, of 2 that one user may have "
        "(user_limits/running_tasks)"
    )


def test_the_next_task_starts_when_one_has_ended():
    fleet = Fleet(UserLimits(running_tasks=1))
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=2, resources=ONE_CPU)
    _schedule(fleet)
    with fleet.state.reading() as tables:
        (uid,) = tables.attempts

    fleet.beat(worker, [ended(uid)])

    assert _placed(_schedule(fleet)) == {job.uid: 1}


def test_what_ran_on_a_slice_that_is_gone_counts_no_more():
    fleet = Fleet(UserLimits(running_tasks=1))
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=ONE_CPU)
    _schedule(fleet)
    before = fleet.state.snapshot().held

    fleet.move(worker.slice_name, *GOES)
    fleet.boot(CPU)

    assert before == (Held("ada", 1, 0),)
    assert fleet.state.snapshot().held == ()
    with fleet.state.reading() as tables:
        assert tables.worker_attempts == {}
    fleet.clock.advance(60.0)
    assert _placed(_schedule(fleet)) == {job.uid: 1}


def test_chips_are_limited_and_work_without_them_goes_on():
    fleet = Fleet(UserLimits(chips=20))
    for group in (TPU, TPU, CPU):
        fleet.boot(group)
    gangs = [
        fleet.submit(tasks=4, gang=True, resources=A_VM, constraints=_on_tpu())
        for _ in range(2)
    ]
    small = fleet.submit(resources=ONE_CPU)

    plan = _schedule(fleet)

    assert _placed(plan) == {gangs[0].uid: 4, small.uid: 1}
    (waiting,) = plan.waiting
    assert "ada has 16 chips" in waiting.because
    assert waiting.because.endswith("(user_limits/chips)")


def test_no_slice_is_asked_for_beyond_a_limit_and_why_says_so():
    fleet = Fleet(UserLimits(running_tasks=1))
    (worker,) = fleet.boot(CPU)
    first = fleet.submit(resources=worker.resources)
    second = fleet.submit(resources=worker.resources)
    fleet.place(first, worker)
    snapshot = fleet.state.snapshot()

    plan = plan_capacity(snapshot, fleet.clock.now())
    (pending,) = snapshot.pending
    told = explain_job(snapshot, pending, fleet.clock.now())

    assert plan.creates == ()
    assert pending.job.uid == second.uid
    assert "of 1 that one user may have" in told.because
    assert "user_limits" in told.unblock


def test_more_waiting_tasks_than_a_user_may_have_are_refused_as_a_whole():
    fleet = Fleet(UserLimits(pending_tasks=3))
    fleet.submit(tasks=2)

    with pytest.raises(Conflict, match="ada would have 4 waiting tasks, of 3"):
        fleet.submit(tasks=2)

    assert fleet.submit(tasks=3, user="bob").user == "bob"
    assert fleet.submit().user == "ada"


def test_the_same_submission_again_is_never_too_much():
    fleet = Fleet(UserLimits(pending_tasks=1))

    first = fleet.submit(client_id="once")

    assert fleet.submit(client_id="once").uid == first.uid


def test_what_could_never_start_within_the_limits_is_refused():
    fleet = Fleet(UserLimits(chips=8))

    with pytest.raises(JobRefused, match="needs 16 chips at once") as refused:
        fleet.submit(tasks=4, gang=True, resources=A_VM, constraints=_on_tpu())

    assert refused.value.message.endswith("may have 8 (user_limits/chips)")
    assert "user_limits" in refused.value.hint


def test_limits_are_those_of_the_cluster_file():
    text = (
        "name: a\nprovider: {local: {}}\nscale_groups: {cpu: {cpus: 1, memory: 1GB}}\n"
        "user_limits: {chips: 8, running_tasks: 5, pending_tasks: 7}\n"
    )

    assert parse_config(text, "a.yaml").limits() == UserLimits(8, 5, 7)


def test_usage_is_computed_from_live_attempts_after_a_restart_too():
    fleet = Fleet(UserLimits(running_tasks=2))
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=3, resources=ONE_CPU)
    uids = fleet.place(job, worker, worker)

    fleet.restart()
    full = fleet.state.snapshot().held
    fleet.beat(worker, [ended(uids[0], AttemptState.LOST), ended(uids[1])])

    assert [(h.user, h.tasks) for h in full] == [("ada", 2)]
    assert fleet.state.snapshot().held == ()


def test_a_gang_that_lost_a_member_keeps_its_share_until_it_is_in_line_again():
    """A younger task took the place of the lost member; the gang waited for it."""
    fleet = Fleet(UserLimits(running_tasks=4))
    workers = fleet.boot(TPU)
    fleet.boot(CPU)
    gang = fleet.submit(tasks=4, gang=True, resources=A_VM, constraints=_on_tpu())
    uids = fleet.place(gang, *workers)
    small = fleet.submit(name="small", resources=ONE_CPU)
    for worker, uid in zip(workers, uids, strict=True):
        fleet.beat(worker, [ran(uid)])

    fleet.beat(workers[0], [ended(uids[0], AttemptState.LOST)])
    broken = _schedule(fleet)
    for worker, uid in zip(workers[1:], uids[1:], strict=True):
        fleet.beat(worker, [ended(uid, AttemptState.LOST)])
    verdicts = plan_verdicts(fleet.state.snapshot(), fleet.clock.now() + 60.0)
    fleet.state.commit_verdicts(verdicts)
    again = _schedule(fleet)

    assert _placed(broken) == {}
    assert [w.job_uid for w in broken.waiting] == [small.uid]
    assert _placed(again) == {gang.uid: 4}


def _on_tpu():
    return Constraints(accelerator=TPU.accelerator)


def _schedule(fleet):
    plan = plan_assignments(fleet.state.snapshot(), fleet.clock.now())
    fleet.state.commit_scheduling(plan)
    return plan


def _placed(plan):
    return {each.job_uid: len(each.tasks) for each in plan.placements}
