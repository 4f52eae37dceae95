"""Jobs over HTTP: accepted, listed, cancelled, explained."""

from __future__ import annotations

import time

import pytest

from iris.domain.access import Role
from iris.domain.jobs import EndCause
from iris.domain.preparing import words_of_lack
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from iris.planning.scheduler import plan_assignments
from tests.support.desk import Desk


def test_a_job_is_accepted_and_shown(desk: Desk):
    job = desk.submit(name="hello", tasks=3)

    shown = desk.ask("GET", "/v1/jobs/hello")

    assert shown.json["uid"] == job.uid
    assert shown.json["counts"] == {"pending": 3}
    assert int(shown.headers["Iris-Seq"]) >= 1
    assert desk.ask("GET", f"/v1/jobs/{job.uid}").json == shown.json


def test_the_same_client_id_gives_the_same_job(desk: Desk):
    body = {"client_id": "once", "spec": {"command": ["true"], "name": "a"}}

    first = desk.ask("POST", "/v1/jobs", body).json
    second = desk.ask("POST", "/v1/jobs", body).json

    assert first["uid"] == second["uid"]


def test_a_batch_is_accepted_as_a_whole_or_not_at_all(desk: Desk):
    good = {"client_id": "g", "spec": {"command": ["true"], "name": "good"}}
    bad = {"client_id": "b", "spec": {"command": [], "name": "bad"}}

    refused = desk.ask("POST", "/v1/jobs:batch", {"submissions": [good, bad]})
    accepted = desk.ask("POST", "/v1/jobs:batch", {"submissions": [good, good]})

    assert refused.status_code == 422
    assert refused.json["code"] == "job-refused"
    assert len({job["uid"] for job in accepted.json["jobs"]}) == 1
    assert len(desk.ask("GET", "/v1/jobs").json["items"]) == 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "No Caps"}, "spec.name"),
        ({"command": []}, "spec.command"),
        ({"command": ["a\0b"]}, "spec.command"),
        ({"tasks": 0}, "spec.tasks"),
        ({"tasks": 1_000_001}, "spec.tasks"),
        ({"env": {"A=B": "c"}}, "spec.env"),
        ({"env": {"IRIS_X": "1"}}, "spec.env: names that begin with iris_"),
        ({"each": {"A=B": ["c"]}}, "spec.each"),
        ({"each": {"IRIS_X": ["1"]}}, "spec.each: names that begin with iris_"),
        ({"each": {"a": ["1", "2"]}}, "spec.each.a: expected a value for each of 1"),
        ({"each": {"a": ["\0"]}}, "spec.each.a"),
        ({"each": {"a": ["x" * 40_000]}}, "spec.each.a"),
        ({"max_retries": -1}, "spec.max_retries"),
        ({"bundle": "ab"}, "spec.bundle"),
        ({"signal": "SIGKILL"}, "spec.signal"),
        ({"checkpoint_dir": "a\nb"}, "spec.checkpoint_dir"),
        ({"image": "python:3"}, "image python:3: attempts are no containers here"),
        ({"resources": {"cpus": 5000}}, "cpu"),
        ({"constraints": {"accelerator": "v5litepod-8"}}, "v5litepod-16"),
    ],
)
def test_a_job_that_can_never_run_is_refused_with_its_fault(desk: Desk, spec, words):
    body = {"client_id": "c", "spec": {"command": ["true"], "name": "a"} | spec}

    answer = desk.ask("POST", "/v1/jobs", body)

    assert answer.status_code == 422
    assert words in answer.json["detail"].lower()


def test_the_values_of_a_sweep_stand_with_its_tasks_for_those_who_may(desk: Desk):
    viewer = desk.token(Role.VIEWER, "vera")
    desk.submit(name="swept", tasks=2, each={"lr": ["0.1", "0.2"]})

    mine = desk.ask("GET", "/v1/jobs/swept/tasks").json["items"]
    other = desk.ask("GET", "/v1/jobs/swept/tasks", token=viewer).json["items"]

    assert [task["variables"] for task in mine] == [{"lr": "0.1"}, {"lr": "0.2"}]
    assert [task["variables"]["lr"] for task in other] == ["(hidden)"] * 2
    assert desk.ask("GET", "/v1/jobs/swept").json["spec"]["each"] == {"lr": []}


def test_a_body_of_the_wrong_shape_names_its_path(desk: Desk):
    body = {"client_id": "c", "spec": {"command": "true"}}

    answer = desk.ask("POST", "/v1/jobs", body)

    assert answer.status_code == 400
    assert "spec.command" in answer.json["detail"]
    assert answer.mimetype == "application/problem+json"


def test_lists_are_paged_newest_first_over_live_and_ended_jobs(desk: Desk):
    (worker,) = desk.boot()
    jobs = [desk.submit(name=f"job{i}") for i in range(5)]
    for job in (jobs[1], jobs[3]):
        uid = desk.place(job, worker)
        worker.beat(AttemptReport(uid, AttemptState.SUCCEEDED, exit_code=0))

    names, page = [], ""
    while True:
        answer = desk.ask("GET", f"/v1/jobs?limit=2&page={page}").json
        names += [job["name"] for job in answer["items"]]
        page = answer["next_page"]
        if not page:
            break

    assert names == ["job4", "job3", "job2", "job1", "job0"]
    ended = desk.ask("GET", "/v1/jobs?state=succeeded").json["items"]
    assert [job["name"] for job in ended] == ["job3", "job1"]
    assert ended[0]["counts"] == {"succeeded": 1}
    waiting = desk.ask("GET", "/v1/jobs?state=pending").json["items"]
    assert [job["name"] for job in waiting] == ["job4", "job2", "job0"]


def test_tasks_are_shown_while_they_wait_run_and_after_their_end(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(tasks=4)
    done, runs = desk.place(job, worker, 0), desk.place(job, worker, 1)
    worker.beat(AttemptReport(done, AttemptState.SUCCEEDED, exit_code=0))
    worker.beat(AttemptReport(runs, AttemptState.RUNNING))

    tasks = desk.ask("GET", f"/v1/jobs/{job.uid}/tasks").json["items"]
    running = desk.ask("GET", f"/v1/jobs/{job.uid}/tasks?state=running").json
    first = desk.ask("GET", f"/v1/jobs/{job.uid}/tasks?limit=3").json
    attempts = desk.ask("GET", f"/v1/jobs/{job.uid}/tasks/0/attempts").json["items"]

    states = [task["state"] for task in tasks]
    assert states == ["succeeded", "running", "pending", "pending"]
    assert tasks[0]["exit_code"] == 0
    assert {task["worker_uid"] for task in tasks[:2]} == {worker.uid}
    assert [task["index"] for task in running["items"]] == [1]
    assert first["next_page"] == "3"
    assert [a["state"] for a in attempts] == ["succeeded"]


def test_a_cancelled_job_ends_and_keeps_who_asked(desk: Desk):
    job = desk.submit(tasks=3)

    answer = desk.ask("POST", f"/v1/jobs/{job.name}:cancel", {"because": "typo"})
    again = desk.ask("POST", f"/v1/jobs/{job.name}:cancel")

    assert answer.json["state"] == "cancelled"
    assert answer.json["counts"] == {"cancelled": 3}
    assert answer.json["cancelled_by"] == "operator"
    assert again.json == answer.json


def test_a_user_cannot_end_or_read_the_job_of_another(desk: Desk):
    ada, bob = desk.token(Role.USER, "ada"), desk.token(Role.USER, "bob")
    job = desk.submit(ada, env={"KEY": "secret"})

    cancel = desk.ask("POST", f"/v1/jobs/{job.name}:cancel", token=bob)
    log = desk.ask("GET", f"/v1/jobs/{job.name}/log", token=bob)
    seen = desk.ask("GET", f"/v1/jobs/{job.name}", token=bob)
    own = desk.ask("GET", f"/v1/jobs/{job.name}", token=ada)

    assert (cancel.status_code, log.status_code) == (403, 403)
    assert "belongs to ada" in cancel.json["detail"]
    assert seen.json["spec"]["env"] == {"KEY": "(hidden)"}
    assert own.json["spec"]["env"] == {"KEY": "secret"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ":cancel"),
        ("GET", "/log"),
        ("GET", "/log:stream"),
        ("GET", "/outputs"),
        ("GET", "/tasks/0/attempts/0/outputs"),
        ("GET", "/tasks/0/entrance"),
    ],
)
def test_what_is_a_users_own_is_refused_to_strangers_by_name(desk: Desk, method, path):
    desk.submit(desk.token(Role.USER, "ada"))
    bob = desk.token(Role.USER, "bob")

    answer = desk.ask(method, f"/v1/jobs/job{path}", token=bob)

    assert answer.status_code == 403
    assert answer.json["detail"] == "job job belongs to ada, not to bob"


def test_why_explains_a_job_that_waits_and_one_that_has_ended(desk: Desk):
    job = desk.submit()

    waits = desk.ask("GET", f"/v1/jobs/{job.name}/why").json
    desk.ask("POST", f"/v1/jobs/{job.name}:cancel")
    ended = desk.ask("GET", f"/v1/jobs/{job.name}/why").json

    assert waits["state"] == "pending"
    assert waits["because"]
    assert ended["state"] == "cancelled"
    assert "cancelled by operator" in ended["because"]


def test_a_job_that_did_not_start_in_time_has_failed_with_all_its_tasks(desk: Desk):
    job = desk.submit(tasks=3, scheduling_timeout=60.0)
    desk.clock.advance(60)

    plan = plan_assignments(desk.state.snapshot(), desk.clock.now())
    desk.state.commit_scheduling(plan)

    shown = desk.ask("GET", f"/v1/jobs/{job.uid}").json
    tasks = desk.ask("GET", f"/v1/jobs/{job.uid}/tasks").json["items"]
    why = desk.ask("GET", f"/v1/jobs/{job.uid}/why").json
    assert (shown["state"], shown["counts"]) == ("failed", {"failed": 3})
    assert shown["cancelled_by"] == "its scheduling timeout"
    assert [task["state"] for task in tasks] == ["failed"] * 3
    assert why["because"].startswith("it did not start within 60 s: there is no")


def test_an_unknown_job_is_not_there_and_says_where_to_look(desk: Desk):
    answer = desk.ask("GET", "/v1/jobs/nope")

    assert answer.status_code == 404
    assert answer.json["code"] == "not-there"
    assert "inv job.list" in answer.json["hint"]


def test_a_job_that_backs_off_says_until_when_and_after_what(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(max_retries=3)
    uid = desk.place(job, worker)
    worker.beat(
        AttemptReport(uid, AttemptState.FAILED, exit_code=5, cause=EndCause.EXITED)
    )

    shown, why = (desk.ask("GET", f"/v1/jobs/job{end}").json for end in ("", "/why"))

    until = time.strftime("%H:%M:%S UTC", time.gmtime(desk.clock.now() + 1))
    place = f"{worker.row.slice_name}/0"
    words = (
        f"1 task backs off until {until}: attempt 0 on {place} exited: exit status 5"
    )
    assert shown["because"] == why["because"] == words
    assert why["autoscaler"] == ""
    assert why["next_step"] == "the next attempt starts in 1 s where there is room"


def test_a_job_in_preparation_says_what_unblocks_it(desk: Desk):
    (worker,) = desk.boot()
    uid = desk.place(desk.submit(disk_bytes=10**12), worker)
    lack = words_of_lack(72 * 10**9, 10**12, 0)
    worker.beat(AttemptReport(uid, AttemptState.PREPARING, detail=lack))

    why = desk.ask("GET", "/v1/jobs/job/why").json

    assert "more free disk on its VM" in why["unblock"]
    assert why["next_step"].startswith("it starts once it is prepared there")
