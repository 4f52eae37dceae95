"""What a submission would be answered with, told without making one."""

from __future__ import annotations

from itertools import count

import pytest

from iris.controller.transitions.submitting import submit
from iris.domain.access import Role
from iris.domain.jobs import JobSpec, Owner
from iris.domain.resources import UserLimits
from iris.domain.views import Submission
from iris.errors import Conflict
from tests.support.desk import Desk
from tests.support.fleet import Fleet

NUMBERS = count(1)


def checked(desk: Desk, client_id: str = "", token: str | None = None, **spec: object):
    spec = {"command": ["true"], "name": "job"} | spec
    body = {"client_id": client_id or f"check-{next(NUMBERS)}", "spec": spec}
    return desk.ask("POST", "/v1/jobs:check", body, token)


def test_what_would_be_accepted_is_named_and_nothing_is_made(desk: Desk):
    desk.submit(name="job")
    before = desk.state.seq

    answer = checked(desk, bundle="0" * 64)

    assert answer.json == {"name": "job-2", "was_there": False}
    assert desk.state.seq == before
    assert [job["name"] for job in desk.ask("GET", "/v1/jobs").json["items"]] == ["job"]


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"secrets": ["NOPE"]}, 422),
        ({"after": [{"job": "nosuch"}]}, 422),
        ({"resources": {"cpus": 999}}, 422),
        ({"name": "No name"}, 422),
        ({"same_name": "refuse"}, 409),
        ({"image": "python:3.12"}, 422),
    ],
)
def test_what_would_be_refused_is_refused_with_the_same_words(desk: Desk, spec, status):
    desk.submit(name="job")
    body = {"command": ["true"], "name": "job"} | spec

    refused = checked(desk, **spec)
    submitted = desk.ask("POST", "/v1/jobs", {"client_id": "c", "spec": body})

    assert (refused.status_code, submitted.status_code) == (status, status)
    assert refused.json["detail"] == submitted.json["detail"]


def test_more_than_a_user_may_have_waiting_is_refused_without_submitting():
    fleet = Fleet(UserLimits(pending_tasks=20))
    wanted = Submission("c-1", JobSpec(("true",), name="many", tasks=25))

    with (
        pytest.raises(Conflict, match="25 waiting tasks, of 20"),
        fleet.state.trying() as change,
    ):
        submit(change, (wanted,), Owner("ada"), fleet.state.tuning.user_limits)

    with fleet.state.reading() as tables:
        assert not tables.jobs


def test_a_known_client_id_has_its_job_whatever_bundle_comes(desk: Desk):
    spec = {"command": ["true"], "name": "job", "secrets": ["KEY"]}
    body = {"client_id": "c-1", "spec": spec, "secrets": {"KEY": "x"}}
    desk.ask("POST", "/v1/jobs", body)

    same = checked(desk, "c-1", secrets=["KEY"], bundle="1" * 64)
    other = checked(desk, "c-1", secrets=["KEY"], command=["false"])
    foreign = checked(desk, "c-1", desk.token(Role.USER, "bob"), secrets=["KEY"])

    assert same.json == {"name": "job", "was_there": True}
    assert (other.status_code, foreign.status_code) == (409, 403)
    assert "differs in command" in other.json["detail"]


def test_to_ask_whether_a_live_one_would_be_replaced_leaves_it_alone(desk: Desk):
    live = desk.submit(name="job")

    kept = checked(desk, same_name="keep")
    replaced = checked(desk, same_name="replace")

    assert kept.json == {"name": "job", "was_there": True}
    assert replaced.json == {"name": "job-2", "was_there": False}
    assert desk.ask("GET", f"/v1/jobs/{live.uid}").json["cancelled_by"] == ""
