"""Jobs that a job's own tasks submit are its children and end with it."""

from __future__ import annotations

import re

import pytest

from iris import wire
from iris.controller.api.every import EVERY_ROUTE
from iris.controller.tokens import job_token
from iris.domain.access import Role
from iris.domain.jobs import After
from iris.domain.states import JobState
from iris.domain.views import JobView
from iris.errors import JobRefused
from tests.support.desk import Desk
from tests.support.fleet import CPU, Fleet, ended

# All that the token of a job is good for, about itself and its children.
FOR_JOBS = {
    *("GET /v1/jobs", "POST /v1/jobs", "POST /v1/jobs:batch"),
    "POST /v1/jobs:check",
    *("GET /v1/jobs/{job}", "POST /v1/jobs/{job}:cancel", "GET /v1/jobs/{job}/why"),
    *("GET /v1/jobs/{job}/tasks", "GET /v1/jobs/{job}/tasks/{index}/attempts"),
    *("GET /v1/jobs/{job}/log", "GET /v1/jobs/{job}/log:stream"),
    "GET /v1/jobs/{job}/outputs",
    "GET /v1/jobs/{job}/tasks/{index}/attempts/{number}/outputs",
    *("GET /v1/events", "GET /v1/events:stream"),
    *("HEAD /v1/bundles/{sha256}", "PUT /v1/bundles/{sha256}"),
}


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


def test_the_token_of_a_job_opens_no_other_route(desk: Desk):
    _, token = _running_parent(desk)
    opened = set()
    for route in EVERY_ROUTE:
        path = re.sub(r"{\w+}", "none", route.path)
        answer = desk.ask(route.method, path + "?no=1", b"{not json", token)
        if answer.status_code != 403:
            opened.add(f"{route.method} {route.path}")

    assert opened - {"GET /health"} == FOR_JOBS


@pytest.mark.parametrize(
    "path",
    [
        *("", "/tasks", "/tasks/0/attempts", "/why", "/log", "/log:stream"),
        *("/outputs", "/tasks/0/attempts/0/outputs"),
    ],
)
def test_the_token_of_a_job_reads_nothing_of_a_job_that_is_no_child(desk: Desk, path):
    _, token = _running_parent(desk)
    desk.submit(desk.token(Role.USER, "ann"), name="other")

    answer = desk.ask("GET", f"/v1/jobs/other{path}", token=token)

    assert answer.status_code == 403
    assert answer.json["detail"] == "job other is no child of the job that asks"


def test_the_token_of_a_job_lists_itself_and_its_children_alone(desk: Desk):
    (worker,) = desk.boot()
    ann = desk.token(Role.USER, "ann")
    desk.submit(ann, name="before")
    _, token = _running_parent(desk)
    over = desk.submit(token, name="over")
    worker.beat(ended(desk.place(over, worker)))
    desk.submit(token, name="child")
    done = desk.submit(ann, name="done")
    desk.ask("POST", f"/v1/jobs/{done.uid}:cancel", {})

    pages = [
        desk.ask("GET", f"/v1/jobs?limit=2&page={page}", token=token).json
        for page in (
            "",
            desk.ask("GET", "/v1/jobs?limit=2", token=token).json["next_page"],
        )
    ]

    names = [[job["name"] for job in page["items"]] for page in pages]
    assert names == [["child", "over"], ["parent"]]


def test_the_token_of_a_job_sees_events_of_its_family_alone(desk: Desk):
    parent, token = _running_parent(desk)
    other = desk.submit(desk.token(Role.USER, "ann"), name="other")
    child = desk.submit(token, name="child")

    def seen(query):
        answer = desk.ask("GET", f"/v1/events{query}", token=token)
        return answer.status_code, {e["job"] for e in answer.json.get("items", ())}

    assert seen("") == (200, {parent.name})
    assert seen(f"?job={child.uid}") == (200, {child.name})
    assert seen(f"?job={other.uid}") == (403, set())
    assert seen("?slice=any") == (200, set())


def test_a_job_neither_replaces_nor_keeps_nor_follows_what_is_no_child(desk: Desk):
    _, token = _running_parent(desk)
    other = desk.submit(desk.token(Role.USER, "ann"), name="other")
    body = {"client_id": "c", "spec": {"command": ["true"], "name": "other"}}

    answers = [
        desk.ask("POST", "/v1/jobs", body | {"spec": body["spec"] | more}, token)
        for more in (
            {"same_name": "replace"},
            {"same_name": "keep"},
            {"after": [{"job": "other"}]},
        )
    ]

    assert [each.status_code for each in answers] == [409, 409, 403]
    assert desk.ask("GET", f"/v1/jobs/{other.uid}").json["state"] == "pending"


@pytest.mark.parametrize("on", ["success", "any"])
def test_a_child_after_its_own_parent_is_refused_as_it_could_never_run(desk: Desk, on):
    parent, token = _running_parent(desk)
    spec = {"command": ["true"], "name": "x", "after": [{"job": parent.uid, "on": on}]}

    refused = desk.ask("POST", "/v1/jobs", {"client_id": "c", "spec": spec}, token)

    assert (refused.status_code, refused.json["code"]) == (422, "job-refused")
    assert refused.json["detail"] == (
        "job x is to run after job parent, and would end together with that one: "
        "it could never run"
    )
    assert "Leave that `after` out" in refused.json["hint"]
    assert len(desk.ask("GET", "/v1/jobs").json["items"]) == 1


def test_a_child_after_an_ancestor_or_what_waits_for_one_is_refused():
    fleet = Fleet()
    top = fleet.submit(name="top")
    parent = fleet.submit(name="parent", parent=top.uid)
    later = fleet.submit(name="later", after=(After("top", uid=top.uid),))
    last = fleet.submit(name="last", after=(After("later", uid=later.uid),))

    for first, words in (
        (top, "after job top, "),
        (later, "after job top through job later, "),
        (last, "after job top through job last, "),
    ):
        after = (After(first.name, uid=first.uid),)
        with pytest.raises(JobRefused, match=words):
            fleet.submit(name="x", parent=parent.uid, after=after)


def test_a_child_may_run_after_another_one(desk: Desk):
    _, token = _running_parent(desk)
    desk.submit(token, name="first")
    then = desk.submit(token, name="then", after=[{"job": "first"}])

    assert [each.job for each in then.spec.after] == ["first"]


def test_the_token_of_a_job_reaches_no_secret_that_its_job_was_not_given(desk: Desk):
    desk.ask("PUT", "/v1/secrets/CS", {"value": "the cluster's"})
    _, token = _running_parent(desk)
    spec = {"command": ["true"], "name": "thief", "secrets": ["CS", "NO_ONES"]}
    body = {"client_id": "c", "spec": spec}

    refused = desk.ask("POST", "/v1/jobs", body, token)
    batch = desk.ask("POST", "/v1/jobs:batch", {"submissions": [body]}, token)
    own = {"CS": "mine", "NO_ONES": "mine"}
    brought = desk.ask("POST", "/v1/jobs", body | {"secrets": own}, token)

    assert (refused.status_code, refused.json["code"]) == (422, "job-refused")
    assert refused.json["detail"] == (
        "job thief asks for what job parent, which submits it, was not given: "
        "--secret CS --secret NO_ONES"
    )
    assert "`--secret CS --secret NO_ONES`" in refused.json["hint"]
    assert (batch.status_code, brought.status_code) == (422, 201)


def test_a_child_has_the_secrets_that_its_parent_has(desk: Desk):
    for name in ("CS", "KEY"):
        desk.ask("PUT", f"/v1/secrets/{name}", {"value": "the cluster's"})
    (worker,) = desk.boot()
    own = {"KEY": "the parent's", "MINE": "the parent's"}
    _, token = _running_parent(desk, secrets=own, named=("CS", *own))
    spec = {"command": ["true"], "name": "child", "secrets": ["CS", *own, "NEW"]}
    body = {"client_id": "c", "spec": spec, "secrets": {"NEW": "the child's"}}

    child = wire.decode(desk.ask("POST", "/v1/jobs", body, token).data, JobView)
    path = f"/v1/attempts/{desk.place(child, worker)}/secrets"

    assert desk.ask("GET", path, token=worker.token).json["values"] == own | {
        "CS": "the cluster's",
        "NEW": "the child's",
    }


def test_a_batch_with_the_client_id_of_no_child_is_refused_as_a_whole(desk: Desk):
    _, token = _running_parent(desk)
    spec = {"command": ["true"], "name": "job"}
    desk.ask("POST", "/v1/jobs", {"client_id": "theirs", "spec": spec})
    batch = [{"client_id": each, "spec": spec} for each in ("new", "theirs")]

    refused = desk.ask("POST", "/v1/jobs:batch", {"submissions": batch}, token)

    assert refused.status_code == 403
    assert len(desk.ask("GET", "/v1/jobs").json["items"]) == 2


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


def _running_parent(desk: Desk, secrets=None, named=()):
    """A job, and the token that its task was handed."""
    spec = {"command": ["true"], "name": "parent", "secrets": named}
    body = {"client_id": "the-parents", "spec": spec, "secrets": secrets or {}}
    answer = desk.ask("POST", "/v1/jobs", body, desk.token(Role.USER, "ann"))
    parent = wire.decode(answer.data, JobView)
    with desk.state.reading() as tables:
        return parent, job_token(tables, parent.uid)
