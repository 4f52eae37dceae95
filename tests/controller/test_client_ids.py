"""One client id is one job, and never two different ones."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from iris.controller.retention import Retention
from iris.controller.transitions.submitting import MOST_ANSWERED
from iris.domain.jobs import After, Answered, Job, JobSpec
from iris.errors import Conflict
from iris.planning.repeats import asked, difference
from iris.planning.retention import RetentionBounds
from tests.support.desk import Desk, open_desk
from tests.support.fleet import Fleet, ended


def submission(client_id: str = "nightly", **spec: object) -> dict[str, object]:
    """A job of `true` as it is posted."""
    return {"client_id": client_id, "spec": {"command": ["true"], "name": "job"} | spec}


def test_a_job_that_is_submitted_again_is_said_to_have_been_there(desk: Desk):
    first = desk.ask("POST", "/v1/jobs", submission()).json
    again = desk.ask("POST", "/v1/jobs", submission()).json

    assert (first["was_there"], again["was_there"]) == (False, True)
    assert first["uid"] == again["uid"]


def test_a_live_job_that_is_kept_by_its_name_is_said_to_have_been_there(desk: Desk):
    desk.ask("POST", "/v1/jobs", submission())
    kept = desk.ask("POST", "/v1/jobs", submission("other", same_name="keep")).json

    assert kept["was_there"]


def kept(**spec: object) -> dict[str, object]:
    return submission("kept", same_name="keep", **spec)


def test_who_was_answered_with_a_kept_job_has_that_answer_after_its_end(tmp_path: Path):
    with open_desk(tmp_path) as desk:
        live = desk.ask("POST", "/v1/jobs", submission()).json
        desk.ask("POST", "/v1/jobs", kept())
        desk.ask("POST", "/v1/jobs/job:cancel", {})
        soon = desk.ask("POST", "/v1/jobs", kept()).json
    with open_desk(tmp_path) as desk:
        late = desk.ask("POST", "/v1/jobs", kept()).json
        refused = desk.ask("POST", "/v1/jobs", submission("kept", name="other")).json

        forget_all(desk)
        new = desk.ask("POST", "/v1/jobs", kept()).json

    assert {soon["uid"], late["uid"]} == {live["uid"]}
    assert (late["state"], late["was_there"]) == ("cancelled", True)
    assert refused["detail"] == (
        "client id kept is that of job job, and this one differs in name, same_name"
    )
    assert (new["state"], new["was_there"]) == ("pending", False)


@pytest.mark.parametrize("has_ended", [False, True])
def test_another_job_under_the_client_id_of_a_kept_answer_is_refused(desk, has_ended):
    live = desk.ask("POST", "/v1/jobs", submission(tasks=3)).json
    env = {"A": "1", "B": "2"}
    desk.ask("POST", "/v1/jobs", kept(command=["sleep", "8"], env=env))
    if has_ended:
        desk.ask("POST", "/v1/jobs/job:cancel", {})

    defaults = {"tasks": 1, "stop_grace": 10.0, "signal": "SIGTERM"}
    turned = dict(reversed(env.items()))
    again = kept(command=["sleep", "8"], env=turned, **defaults)
    same = desk.ask("POST", "/v1/jobs", again).json
    other = kept(command=["sleep", "9"], env=env, tasks=2)
    refused = desk.ask("POST", "/v1/jobs", other)

    assert (same["uid"], same["was_there"]) == (live["uid"], True)
    assert (refused.status_code, refused.json["detail"]) == (
        409,
        "client id kept is that of job job, and this one differs in command, tasks",
    )


def test_another_order_under_the_client_id_of_a_kept_answer_is_refused(desk: Desk):
    (worker,) = desk.boot()
    first = desk.submit(name="first")
    desk.ask("POST", "/v1/jobs", submission())
    desk.ask("POST", "/v1/jobs", kept(after=[{"job": "first"}]))
    desk.clock.advance(1)
    worker.beat(ended(desk.place(first, worker)))

    same = desk.ask("POST", "/v1/jobs", kept(after=[{"job": "first"}]))
    other = desk.ask("POST", "/v1/jobs", kept(after=[{"job": "first", "on": "any"}]))

    assert same.status_code == 201
    assert other.json["detail"].endswith("this one differs in after")


def test_a_batch_that_keeps_two_jobs_under_one_client_id_is_refused(desk: Desk):
    desk.ask("POST", "/v1/jobs", submission())
    batch = [kept(), kept(tasks=2)]

    refused = desk.ask("POST", "/v1/jobs:batch", {"submissions": batch})

    assert refused.status_code == 409
    assert refused.json["detail"].endswith("this one differs in tasks")


def test_an_answer_that_an_older_version_kept_goes_on_to_be_given(desk: Desk):
    live = desk.ask("POST", "/v1/jobs", submission()).json
    row = {"client_id": "kept", "job_uid": live["uid"]}
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Answered)
    with desk.state.reading() as tables:
        tables.apply(("answered", ("kept",), old))

    first = submission("first", name="first")
    desk.ask("POST", "/v1/jobs", first)
    again = desk.ask("POST", "/v1/jobs", kept(tasks=2, after=[{"job": "first"}]))
    other = desk.ask("POST", "/v1/jobs", kept(name="other"))

    assert again.json["uid"] == live["uid"]
    assert other.json["detail"].endswith("this one differs in name")


def test_what_is_remembered_of_a_kept_answer_is_short_and_knows_no_defaults():
    spec = JobSpec(("true",), after=(After("a"),), each={"X": ("1",) * 10_000})

    assert re.fullmatch(r"command=\w{12} each=\w{12}", asked(spec))


def test_of_all_that_were_answered_with_one_job_the_newest_are_known(desk: Desk):
    desk.ask("POST", "/v1/jobs", submission())
    client_ids = [f"client-{number}" for number in range(MOST_ANSWERED + 1)]
    batch = [submission(each, same_name="keep") for each in client_ids[:-1]]
    desk.ask("POST", "/v1/jobs:batch", {"submissions": batch})
    desk.ask("POST", "/v1/jobs", submission(client_ids[-1], same_name="keep"))
    desk.ask("POST", "/v1/jobs/job:cancel", {})

    answers = [
        desk.ask("POST", "/v1/jobs", submission(each, same_name="keep")).json
        for each in (client_ids[-1], client_ids[1], client_ids[0])
    ]

    assert [answer["was_there"] for answer in answers] == [True, True, False]


def forget_all(desk: Desk) -> None:
    """Retention lets go of every job that has ended."""
    bounds = RetentionBounds(jobs=0, jobs_for=0.0, logs=0, outputs=0)
    Retention(desk.parts, desk.archive, bounds).retain_once()


def test_the_same_job_is_found_after_its_end_and_when_its_firsts_have_ended(desk: Desk):
    (worker,) = desk.boot()
    first = desk.submit(name="first")
    body = submission(after=[{"job": "first"}])
    accepted = desk.ask("POST", "/v1/jobs", body).json
    worker.beat(ended(desk.place(first, worker)))
    waiting = desk.ask("POST", "/v1/jobs", body).json
    desk.ask("POST", f"/v1/jobs/{accepted['uid']}:cancel", {})

    over = desk.ask("POST", "/v1/jobs", body).json

    assert {waiting["uid"], over["uid"]} == {accepted["uid"]}
    assert (over["state"], over["was_there"]) == ("cancelled", True)


@pytest.mark.parametrize("has_ended", [False, True])
def test_another_job_under_a_known_client_id_is_refused(desk: Desk, has_ended):
    accepted = desk.ask("POST", "/v1/jobs", submission()).json
    if has_ended:
        desk.ask("POST", f"/v1/jobs/{accepted['uid']}:cancel", {})

    refused = desk.ask("POST", "/v1/jobs", submission(tasks=2, env={"A": "b"}))

    assert (refused.status_code, refused.json["code"]) == (409, "conflict")
    assert refused.json["detail"] == (
        "client id nightly is that of job job, and this one differs in tasks, env"
    )


def test_a_batch_that_says_two_things_under_one_client_id_is_refused_whole(desk: Desk):
    batch = [submission(), submission(tasks=2)]

    refused = desk.ask("POST", "/v1/jobs:batch", {"submissions": batch})

    assert refused.status_code == 409
    assert desk.ask("GET", "/v1/jobs").json["items"] == []


def test_a_batch_that_says_two_orders_under_one_client_id_is_refused_whole(desk: Desk):
    for name in ("a", "b"):
        desk.submit(name=name)
    batch = [submission(after=[{"job": name}]) for name in ("a", "b")]
    same = [submission(after=[{"job": n} for n in names]) for names in ("ab", "ba")]

    refused = desk.ask("POST", "/v1/jobs:batch", {"submissions": batch})
    accepted = desk.ask("POST", "/v1/jobs:batch", {"submissions": same})

    assert refused.status_code == 409
    assert refused.json["detail"] == (
        "client id nightly is there twice in one batch, and the second differs in after"
    )
    first, second = accepted.json["jobs"]
    assert first["uid"] == second["uid"]
    assert len(desk.ask("GET", "/v1/jobs").json["items"]) == 3


def test_two_that_submit_at_once_under_one_client_id_are_told_apart():
    """Both were looked at before either was there."""
    fleet = Fleet()
    fleet.submit(client_id="once")

    with pytest.raises(Conflict, match=r"differs in tasks"):
        fleet.submit(tasks=2, client_id="once")


def test_another_order_under_a_known_client_id_is_refused(desk: Desk):
    for name in ("a", "b"):
        desk.submit(name=name)
    after = [{"job": "a"}]
    accepted = desk.ask("POST", "/v1/jobs", submission(after=after)).json
    others = ([], [{"job": "b"}], [*after, {"job": "b"}], [{"job": "a", "on": "any"}])

    refused = [desk.ask("POST", "/v1/jobs", submission(after=o)).json for o in others]
    again = desk.ask("POST", "/v1/jobs", submission(after=after)).json

    assert {answer["detail"] for answer in refused} == {
        "client id nightly is that of job job, and this one differs in after"
    }
    assert again["uid"] == accepted["uid"]


def test_what_the_controller_filled_in_makes_no_difference():
    spec = JobSpec(("true",), name="job", after=(After("a"),), secrets=("S",))
    filled = JobSpec(("true",), name="job-2", secrets=("S",), secrets_key="k")
    job = Job("j", filled, "ada", "c", 0.0, 1, asked_name="job")

    assert difference(job, spec) == ""
    assert difference(job, JobSpec(("false",), name="x")) == ("command, name, secret")
