"""Jobs that a job's own tasks submit are its children and end with it."""

from __future__ import annotations

import pytest

from iris.controller.tokens import job_token
from iris.domain.access import Role
from iris.domain.states import JobState
from tests.support.desk import Desk
from tests.support.fleet import CPU, Fleet, ended


def test_what_a_jobs_task_submits_is_its_child_and_of_its_user(desk: Desk):
    parent, token = _running_parent(desk)

    child = desk.submit(token, name="child")

    assert (child.parent, child.user) == (parent.uid, "ann")


def test_the_token_of_a_job_speaks_for_its_children_alone(desk: Desk):
    _, token = _running_parent(desk)
    other = desk.submit(desk.token(Role.USER, "ann"), name="other")
    child = desk.submit(token, name="child")

    refused = desk.ask("POST", f"/v1/jobs/{other.uid}:cancel", {}, token)
    allowed = desk.ask("POST", f"/v1/jobs/{child.uid}:cancel", {}, token)

    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert "no child" in refused.json["detail"]


@pytest.mark.parametrize("damage", ["no such job", "forged", "empty"])
def test_a_token_that_is_not_a_live_jobs_lets_nobody_in(desk: Desk, damage):
    parent, token = _running_parent(desk)
    wrong = {
        "no such job": token.replace(parent.uid, "j-none"),
        "forged": token[:-1] + ("0" if token[-1] != "0" else "1"),
        "empty": f"job.{parent.uid}.",
    }[damage]

    assert desk.ask("GET", "/v1/jobs", token=wrong).status_code == 401


def test_children_end_with_their_parent_and_its_token_with_them(desk: Desk):
    parent, token = _running_parent(desk)
    child = desk.submit(token, name="child")

    desk.ask("POST", f"/v1/jobs/{parent.uid}:cancel", {})

    shown = desk.ask("GET", f"/v1/jobs/{child.uid}").json
    assert shown["state"] == "cancelled"
    assert shown["because"] == "job parent, which submitted it, was cancelled"
    assert desk.ask("GET", "/v1/jobs", token=token).status_code == 401


def test_children_end_when_their_parent_ends_by_itself_after_a_restart_too():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    parent = fleet.submit(name="parent")
    (uid,) = fleet.place(parent, worker)
    child = fleet.submit(name="child", parent=parent.uid)
    grandchild = fleet.submit(name="grandchild", parent=child.uid)

    fleet.restart()
    fleet.beat(worker, [ended(uid)])

    ends = [fleet.journal.job(job.uid) for job in (child, grandchild)]
    assert [each.final_state for each in ends] == [JobState.CANCELLED] * 2
    assert ends[0].because == "job parent, which submitted it, succeeded"


def _running_parent(desk: Desk):
    """A job, and the token that its task was handed."""
    parent = desk.submit(desk.token(Role.USER, "ann"), name="parent")
    with desk.state.reading() as tables:
        return parent, job_token(tables, parent.uid)
