"""Who gets into which attempt, and what the others are told."""

from __future__ import annotations

import math
import time

from msgspec.structs import replace

from iris.domain.access import Role
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState, SliceState
from iris.planning.plans import LifecyclePlan, SliceMove
from iris.planning.scheduler import plan_assignments
from tests.support.desk import Desk

RUNNING = AttemptState.RUNNING
EXITED = EndCause.EXITED


def test_a_jobs_user_and_operators_get_into_what_runs(desk: Desk):
    ada, bob = desk.token(Role.USER, "ada"), desk.token(Role.USER, "bob")
    viewer = desk.token(Role.VIEWER, "vera")
    (worker,) = desk.boot()
    job = desk.submit(token=ada, name="train", tasks=2)
    uid = desk.place(job, worker, task=1)
    worker.beat(AttemptReport(uid, RUNNING))
    path = "/v1/jobs/train/tasks/1/entrance"

    asked = {who: desk.ask("GET", path, token=who) for who in (ada, bob, viewer, None)}

    assert asked[ada].json["uid"] == asked[None].json["uid"] == uid
    assert asked[ada].json["worker_uid"] == worker.uid
    assert [asked[who].status_code for who in (bob, viewer)] == [403, 403]
    assert asked[bob].json["detail"] == "job train belongs to ada, not to bob"


def test_what_does_not_run_says_why_and_what_to_do(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="train")
    path = "/v1/jobs/train/tasks/0/entrance"

    waits = desk.ask("GET", path)
    uid = desk.place(job, worker)
    worker.beat(AttemptReport(uid, AttemptState.PREPARING, detail="its bundle comes"))
    prepares = desk.ask("GET", path)
    worker.beat(AttemptReport(uid, RUNNING))
    desk.ask("POST", "/v1/jobs/train:cancel", {"because": "no need"})
    ends = desk.ask("GET", path)
    worker.beat(AttemptReport(uid, AttemptState.CANCELLED))
    ended = desk.ask("GET", path)
    beyond = desk.ask("GET", "/v1/jobs/train/tasks/1/entrance")

    answers = (waits, prepares, ends, ended)
    assert [answer.status_code for answer in answers] == [409] * 4
    assert [answer.json["detail"] for answer in answers] == [
        "task 0 of job train waits: it has not started yet",
        "task 0 of job train does not run yet: its attempt is preparing "
        "(its bundle comes)",
        "task 0 of job train is ending: no need",
        "task 0 of job train has ended (cancelled): there is nothing to get into",
    ]
    assert "`inv probe.why train` says more" in waits.json["hint"]
    assert (beyond.status_code, beyond.json["detail"]) == (
        404,
        "job train has no task 1: its only task is 0",
    )


def test_what_was_never_attempted_has_no_log_to_look_at(desk: Desk):
    desk.submit(name="train")
    desk.ask("POST", "/v1/jobs/train:cancel", {"because": "no need"})

    told = desk.ask("GET", "/v1/jobs/train/tasks/0/entrance").json

    assert "has ended (cancelled)" in told["detail"]
    assert told["hint"] == ("It was never attempted: `inv job.status train` says why.")


def test_a_job_that_holds_its_slice_says_until_when(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="hold", hold=4 * 3600)
    uid = desk.place(job, worker)
    worker.beat(AttemptReport(uid, RUNNING))
    until = time.gmtime(desk.clock.now() + 4 * 3600)

    said = desk.ask("GET", "/v1/jobs/hold/why").json["because"]

    assert time.strftime("until %d %b %H:%M UTC;", until) in said
    (listed,) = desk.ask("GET", "/v1/jobs").json["items"]
    assert listed["because"] == said


def test_a_hold_that_lost_its_slice_ends_when_it_was_first_told_to_end(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="hold", hold=4 * 3600)
    first = desk.place(job, worker)
    began = worker.beat().attempts[0].spec.env
    worker.beat(AttemptReport(first, RUNNING))
    until = desk.clock.now() + 4 * 3600
    words = time.strftime("%d %b %H:%M UTC", time.gmtime(until))

    desk.clock.advance(3600)
    worker.beat()  # which no longer knows it
    waits = desk.ask("GET", "/v1/jobs/hold").json["because"]
    why = desk.ask("GET", "/v1/jobs/hold/why").json["because"]
    desk.place(job, worker)
    (second,) = worker.beat().attempts
    worker.beat(AttemptReport(second.uid, RUNNING))
    goes_on = desk.ask("GET", "/v1/jobs/hold").json["because"]

    assert "IRIS_HELD_UNTIL" not in began
    assert second.spec.env["IRIS_HELD_UNTIL"] == str(math.ceil(until))
    for said in (waits, why):
        assert said.endswith(f"; its hold ends at {words} all the same")
    assert goes_on.startswith(f"it holds its slice until {words};")


def test_a_hold_that_waits_past_its_end_is_over_with_the_reason(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="hold", hold=3600)
    worker.beat(AttemptReport(desk.place(job, worker), RUNNING))
    desk.state.drain_worker(worker.uid, "an operator asks")
    worker.beat()

    plans = [plan_assignments(desk.state.snapshot(), desk.clock.now())]
    desk.clock.advance(3600)
    plans.append(plan_assignments(desk.state.snapshot(), desk.clock.now()))
    desk.state.commit_scheduling(plans[1])

    ended = desk.ask("GET", "/v1/jobs/hold").json
    assert plans[0].expired == ()
    assert plans[0].next_at == desk.clock.now()
    assert (ended["state"], ended["cancelled_by"]) == (
        "cancelled",
        "the end of its hold",
    )
    assert ended["because"].startswith("its hold ended at ")


def test_the_place_of_a_failed_attempt_is_told_until_it_ends(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="train", keep_on_failure=60)
    uid = desk.place(job, worker)
    words = "failed (exit status 3), its place is kept until 16:20"
    kept = AttemptReport(uid, RUNNING, detail=words, kept_until=desk.clock.now() + 60)

    wanted = worker.beat(kept).attempts[0].want
    listed = desk.ask("GET", "/v1/jobs/train").json["because"]
    entrance = desk.ask("GET", "/v1/jobs/train/tasks/0/entrance")
    desk.ask("POST", "/v1/jobs/train:cancel", {"because": "seen"})
    worker.beat(AttemptReport(uid, AttemptState.FAILED, exit_code=3))
    ended = desk.ask("GET", "/v1/jobs/train").json

    assert wanted == "run"
    assert listed == (
        f"attempt 0 of task 0 {words}: `inv job.exec train/0 -it` gets in, "
        "`inv job.cancel train` gives it up"
    )
    assert entrance.json["uid"] == uid
    assert (ended["state"], ended["cancelled_by"]) == ("failed", "operator")
    assert ended["because"].startswith("task 0: attempt 0 on ")
    assert ended["because"].endswith("exit status 3; its place was given up: seen")
    assert (ended["blamed_task"], ended["counts"]) == (0, {"failed": 1})


def test_a_place_that_is_given_up_is_no_reason_to_try_again(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="train", keep_on_failure=60, max_retries=5, tasks=3)
    kept, runs = desk.place(job, worker), desk.place(job, worker, task=1)
    until = desk.clock.now() + 60
    worker.beat(
        AttemptReport(kept, RUNNING, kept_until=until), AttemptReport(runs, RUNNING)
    )

    desk.ask("POST", "/v1/jobs/train:cancel")
    worker.beat(
        AttemptReport(kept, AttemptState.FAILED, exit_code=3, cause=EXITED),
        AttemptReport(runs, AttemptState.CANCELLED),
    )

    ended = desk.ask("GET", "/v1/jobs/train").json
    assert (ended["state"], ended["counts"]) == (
        "failed",
        {"failed": 1, "cancelled": 2},
    )


def test_a_place_whose_machine_goes_ends_as_a_failure_not_as_a_loss(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="train", keep_on_failure=60)
    uid = desk.place(job, worker)
    kept = AttemptReport(uid, RUNNING, kept_until=desk.clock.now() + 60)
    worker.beat(kept)

    desk.state.drain_worker(worker.uid, "an operator asks", 600.0)
    (wanted,) = worker.beat(kept).attempts
    worker.beat(AttemptReport(uid, AttemptState.FAILED, exit_code=3, cause=EXITED))

    ended = desk.ask("GET", "/v1/jobs/train").json
    assert wanted.want == "stop"
    assert (ended["state"], ended["blamed_task"]) == ("failed", 0)


def test_a_place_that_another_boot_of_its_worker_shows_is_no_loss(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="train", keep_on_failure=60)
    uid = desk.place(job, worker)
    kept = AttemptReport(uid, RUNNING, kept_until=desk.clock.now() + 60)
    worker.beat(kept)

    worker.row = replace(worker.row, boot_id="another")
    wanted = worker.beat(kept).attempts[0].want
    worker.beat(AttemptReport(uid, AttemptState.FAILED, exit_code=3, cause=EXITED))
    ended = desk.ask("GET", "/v1/jobs/train").json

    assert wanted == "run"
    assert ended["state"] == "failed"
    assert ended["because"].endswith("exited: exit status 3")


def test_a_slice_that_drains_waits_for_no_visitors(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="train", keep_on_failure=60)
    uid = desk.place(job, worker)
    kept = AttemptReport(uid, RUNNING, kept_until=desk.clock.now() + 60)
    worker.beat(kept)

    move = SliceMove(worker.row.slice_name, SliceState.DRAINING, "an operator asks")
    desk.state.commit_lifecycle(LifecyclePlan(moves=(move,)))
    (wanted,) = worker.beat(kept).attempts
    worker.beat(AttemptReport(uid, AttemptState.FAILED, exit_code=3))

    assert (wanted.want, wanted.because) == ("stop", "its slice drains")
    view = desk.ask("GET", "/v1/jobs/train").json
    assert (view["state"], view["counts"]) == ("failed", {"failed": 1})
