"""State: what was accepted stands, and nothing runs twice."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris.domain.jobs import JobSpec
from iris.domain.protocol import Heartbeat
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState, SliceState, TaskState
from iris.domain.views import Submission
from iris.errors import Conflict, NotAuthenticated, NotThere
from iris.planning.plans import CapacityPlan, Create
from tests.support.fleet import CPU, Fleet, ended, ran

ONE_CPU = Resources(cpus=1)
FAILED, LOST = AttemptState.FAILED, AttemptState.LOST


def test_a_task_goes_from_pending_to_succeeded_and_its_job_ends():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()

    (uid,) = fleet.place(job, worker)
    answer = fleet.beat(worker)
    fleet.beat(worker, [ran(uid)])
    running = fleet.task_state(job)
    fleet.beat(worker, [ended(uid)])

    assert [(d.uid, d.want) for d in answer.attempts] == [(uid, "run")]
    assert answer.attempts[0].spec.command == ("true",)
    assert running is TaskState.RUNNING
    kept = fleet.journal.job(job.uid)
    assert kept.final_state is JobState.SUCCEEDED


def test_a_second_submission_under_the_same_client_id_is_the_same_job():
    fleet = Fleet()

    first = fleet.submit(client_id="once")
    second = fleet.submit(client_id="once")
    fleet.restart()
    third = fleet.submit(client_id="once")

    assert first.uid == second.uid == third.uid


def test_a_taken_name_gets_a_number_also_within_one_batch():
    fleet = Fleet()
    spec = JobSpec(command=("true",), name="hello")

    fleet.state.submit([Submission("a", spec), Submission("b", spec)], "ada")
    third = fleet.submit(name="hello")

    assert third.name == "hello-3"


def test_an_older_heartbeat_that_comes_late_changes_nothing():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=2)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)], seq=1000)

    fleet.beat(worker, [], seq=999)

    assert fleet.task_state(job) is TaskState.RUNNING


def test_an_attempt_that_its_worker_no_longer_knows_is_lost_not_charged():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])

    fleet.beat(worker, [])

    with fleet.state.reading() as tables:
        task = tables.tasks[job.uid].touched[0]
    assert (task.state, task.losses, task.failures) == (TaskState.PENDING, 1, 0)


def test_a_report_of_another_workers_attempt_is_ignored():
    fleet = Fleet()
    (first,) = fleet.boot(CPU)
    (second,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, first)

    fleet.beat(second, [ended(uid)])

    assert fleet.task_state(job) is TaskState.ASSIGNED


def test_a_failure_within_the_budget_is_tried_again_after_a_pause():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(max_retries=1)
    (uid,) = fleet.place(job, worker)

    fleet.beat(worker, [ended(uid, FAILED, 1)])
    too_early = fleet.place(job, worker)
    fleet.clock.advance(1.0)
    (again,) = fleet.place(job, worker)
    fleet.beat(worker, [ended(again, FAILED, 1)])

    assert too_early == []
    assert fleet.journal.job(job.uid).final_state is JobState.FAILED


def test_usage_is_computed_so_a_slot_is_free_exactly_once():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=8, resources=ONE_CPU)

    placed = fleet.place(job, *[worker] * 8)
    fleet.beat(worker, [ended(placed[0])] + [ran(uid) for uid in placed[1:]])
    fleet.beat(worker, [ended(placed[0])] + [ran(uid) for uid in placed[1:]])

    assert len(placed) == 4
    with fleet.state.reading() as tables:
        assert tables.free_on(worker).cpus == 1


def test_cancelling_ends_what_waits_and_stops_what_runs():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=1000)
    (uid,) = fleet.place(job, worker)

    fleet.state.cancel_job(job.uid, "ada")
    answer = fleet.beat(worker, [ran(uid)])
    fleet.beat(worker, [ended(uid, AttemptState.CANCELLED)])

    assert [(d.uid, d.want) for d in answer.attempts] == [(uid, "stop")]
    assert fleet.journal.job(job.uid).final_state is JobState.CANCELLED


def test_a_restart_brings_back_every_pending_and_running_task():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(tasks=1000, resources=ONE_CPU)
    placed = fleet.place(job, *[worker] * 4)
    fleet.beat(worker, [ran(uid) for uid in placed])
    fleet.beat(worker, [ended(placed[0])] + [ran(uid) for uid in placed[1:]])

    fleet.restart()
    answer = fleet.beat(worker, [ran(uid) for uid in placed[1:]])

    assert {d.uid for d in answer.attempts} == set(placed[1:])
    with fleet.state.reading() as tables:
        counts = tables.tasks[job.uid].counts()
    assert counts == {
        TaskState.PENDING: 996,
        TaskState.RUNNING: 3,
        TaskState.SUCCEEDED: 1,
    }


def test_a_slice_is_ready_only_when_every_worker_has_registered():
    fleet = Fleet()
    plan = CapacityPlan(creates=(Create("tpu", "z", "wanted"),))
    (slice_,) = fleet.state.commit_capacity(plan)
    tokens = fleet.state.create_request(slice_.name, "").join_tokens

    states = []
    for index, token in enumerate(tokens):
        fleet.register(slice_, index, token)
        with fleet.state.reading() as tables:
            states.append(tables.slices[slice_.name].state)

    assert states == [SliceState.BOOTING] * 3 + [SliceState.READY]


def test_a_join_token_is_good_once_and_for_its_own_index_only():
    fleet = Fleet()
    plan = CapacityPlan(creates=(Create("tpu", "z", "wanted"),))
    (slice_,) = fleet.state.commit_capacity(plan)
    tokens = fleet.state.create_request(slice_.name, "").join_tokens
    uid = fleet.register(slice_, 0, tokens[0])

    repeated = fleet.register(slice_, 0, tokens[0])
    with pytest.raises(NotAuthenticated):
        fleet.register(slice_, 1, tokens[0])
    with pytest.raises(Conflict):
        fleet.register(slice_, 0, tokens[0], boot="another")

    assert repeated == uid


def test_a_repeated_create_hands_out_the_same_join_tokens():
    fleet = Fleet()
    plan = CapacityPlan(creates=(Create("tpu", "z", "wanted"),))
    (slice_,) = fleet.state.commit_capacity(plan)

    first = fleet.state.create_request(slice_.name, "")
    fleet.restart()

    assert fleet.state.create_request(slice_.name, "") == first


def test_no_more_rows_are_made_than_max_slices_whatever_the_plan_says():
    fleet = Fleet()
    create = Create("cpu", "z", "wanted")

    made = fleet.state.commit_capacity(CapacityPlan(creates=(create,) * 5))

    assert len(made) == CPU.max_slices


def test_tasks_of_a_silent_slice_are_released_only_when_it_is_deleted():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])

    fleet.move(worker.slice_name, SliceState.FAILED, SliceState.DELETING)
    while_deleting = fleet.task_state(job)
    fleet.move(worker.slice_name, SliceState.DELETED)

    assert while_deleting is TaskState.RUNNING
    assert fleet.task_state(job) is TaskState.PENDING
    with pytest.raises(NotThere):
        fleet.beat(worker, [ran(uid)])


def test_an_operator_releases_the_tasks_of_a_stuck_deletion():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit()
    fleet.place(job, worker)
    with pytest.raises(Conflict):
        fleet.state.confirm_gone(worker.slice_name, "ops")
    fleet.move(worker.slice_name, SliceState.FAILED, SliceState.DELETING)

    fleet.state.confirm_gone(worker.slice_name, "ops")

    assert fleet.task_state(job) is TaskState.PENDING


def test_a_drained_cluster_makes_no_slices_until_it_is_resumed():
    fleet = Fleet()
    create = CapacityPlan(creates=(Create("cpu", "z", "wanted"),))

    fleet.state.drain_cluster("ops")
    while_draining = fleet.state.commit_capacity(create)
    fleet.state.resume_cluster("ops")

    assert while_draining == ()
    assert len(fleet.state.commit_capacity(create)) == 1


def test_a_notice_of_one_worker_drains_its_whole_slice_once():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    notice = Heartbeat(worker.uid, worker.boot_id, 10**9, notice="the cloud preempts")

    fleet.state.heartbeat(notice)
    fleet.state.heartbeat(replace(notice, seq=notice.seq + 1))

    with fleet.state.reading() as tables:
        row = tables.slices[worker.slice_name]
    assert row.state is SliceState.DRAINING
    assert row.because == "worker 0: the cloud preempts"


def test_a_worker_that_no_nudge_reaches_speaks_every_second():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    fleet.state.tuning = replace(fleet.state.tuning, heartbeats_per_second=0.2)
    usual = fleet.beat(worker).interval

    for _ in range(3):
        fleet.state.note_nudge(worker.uid)

    assert usual == 5.0
    assert fleet.beat(worker).interval == 1.0


def test_an_idle_heartbeat_writes_nothing():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    fleet.beat(worker)
    before = fleet.state.seq

    fleet.beat(worker)

    assert fleet.state.seq == before
