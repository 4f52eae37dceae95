"""Secrets on the controller: kept beside the database, handed to one worker only."""

from __future__ import annotations

import stat

import pytest

from iris import wire
from iris.controller.secret_store import SecretStore
from iris.domain.access import Role
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from iris.domain.views import JobView
from tests.support.desk import Desk

CANARY = "canary-51c0ffee"


def submitted(desk: Desk, client_id: str = "c-1", **secrets: str):
    names = ["HF_TOKEN", *secrets] if "HF_TOKEN" not in secrets else [*secrets]
    spec = {"command": ["true"], "name": "job", "secrets": names}
    body = {"client_id": client_id, "spec": spec, "secrets": secrets}
    return desk.ask("POST", "/v1/jobs", body)


def placed(desk: Desk, **secrets: str):
    """A worker, and the attempt of a job with secrets on it."""
    (worker,) = desk.boot()
    accepted = submitted(desk, **secrets)
    assert accepted.status_code == 201, accepted.text
    return worker, desk.place(wire.decode(accepted.data, JobView), worker)


def files(desk: Desk):
    return [p for p in (desk.folder / "secrets").rglob("*") if p.is_file()]


def test_a_secret_of_the_cluster_is_named_and_never_shown(desk: Desk):
    put = desk.ask("PUT", "/v1/secrets/HF_TOKEN", {"value": CANARY})
    listed = desk.ask("GET", "/v1/secrets")

    assert [each["name"] for each in listed.json["items"]] == ["HF_TOKEN"]
    assert CANARY not in put.text + listed.text
    assert [stat.S_IMODE(f.stat().st_mode) for f in files(desk)] == [0o600]
    assert desk.ask("DELETE", "/v1/secrets/HF_TOKEN").status_code == 200
    assert desk.ask("DELETE", "/v1/secrets/HF_TOKEN").status_code == 404
    assert files(desk) == []


@pytest.mark.parametrize("role", [Role.USER, Role.VIEWER])
def test_only_operators_put_and_delete(desk: Desk, role):
    token = desk.token(role, "ann")

    answers = [
        desk.ask("PUT", "/v1/secrets/HF_TOKEN", {"value": CANARY}, token),
        desk.ask("DELETE", "/v1/secrets/HF_TOKEN", token=token),
        desk.ask("GET", "/v1/attempts/a-1/secrets", token=token),
        desk.ask("GET", "/v1/attempts/a-1/secrets"),
    ]

    assert {each.status_code for each in answers} == {403}


@pytest.mark.parametrize("name", ["IRIS_JOB", "1", "a-b", "..", "x" * 200])
def test_a_name_that_is_no_variable_is_refused(desk: Desk, name):
    answer = desk.ask("PUT", f"/v1/secrets/{name}", {"value": CANARY})

    assert answer.status_code == 400
    assert files(desk) == []


def test_a_missing_secret_refuses_the_job_and_keeps_nothing(desk: Desk):
    refused = submitted(desk, KEY=CANARY)

    assert refused.status_code == 422
    assert refused.json["detail"] == "the cluster has no secret HF_TOKEN"
    assert files(desk) == []
    assert desk.ask("GET", "/v1/jobs").json["items"] == []


@pytest.mark.parametrize(
    ("secrets", "fault"),
    [({"HF_TOKEN": "a\0b"}, "NUL"), ({"HF_TOKEN": CANARY * 20_000}, "bytes in all")],
)
def test_a_value_that_no_variable_can_hold_is_refused(desk: Desk, secrets, fault):
    refused = submitted(desk, **secrets)

    assert refused.status_code == 422
    assert fault in refused.json["detail"]
    assert CANARY not in refused.text
    assert files(desk) == []


def test_a_secret_may_not_be_a_variable_too(desk: Desk):
    spec = {"command": ["true"], "secrets": ["KEY"], "env": {"KEY": "1"}}

    refused = desk.ask("POST", "/v1/jobs", {"client_id": "c", "spec": spec})

    assert "KEY is a variable of the job already" in refused.json["detail"]


def test_only_the_worker_of_a_live_attempt_gets_the_values(desk: Desk):
    desk.ask("PUT", "/v1/secrets/HF_TOKEN", {"value": f"{CANARY}-cluster"})
    other, (worker, uid) = desk.boot()[0], placed(desk, KEY=CANARY)
    path = f"/v1/attempts/{uid}/secrets"

    got = desk.ask("GET", path, token=worker.token)
    refused = desk.ask("GET", path, token=other.token)

    assert got.json["values"] == {"KEY": CANARY, "HF_TOKEN": f"{CANARY}-cluster"}
    assert (refused.status_code, desk.ask("GET", path).status_code) == (404, 403)


def test_the_values_are_in_no_row_and_go_when_the_job_has_ended(desk: Desk):
    placed(desk, HF_TOKEN=CANARY)
    desk.state.wait_durable()
    rows = b"".join(p.read_bytes() for p in desk.folder.glob("iris.db*"))
    kept = len(files(desk))

    submitted(desk, client_id="c-2", HF_TOKEN=CANARY)
    desk.ask("POST", "/v1/jobs/job-2:cancel")

    assert CANARY.encode() not in rows
    assert (kept, len(files(desk))) == (1, 1)


def test_the_same_submission_again_keeps_no_second_file(desk: Desk):
    for _ in range(2):
        assert submitted(desk, HF_TOKEN=CANARY).status_code == 201

    assert len(files(desk)) == 1


def test_after_a_crash_what_waits_has_its_values_and_leftovers_go(desk: Desk):
    worker, uid = placed(desk, HF_TOKEN=CANARY)
    (desk.folder / "secrets/jobs/of-a-job-that-was-never-accepted").write_text(CANARY)

    fresh = SecretStore(desk.folder / "secrets", desk.state)

    assert fresh.values_for(uid, worker.uid) == {"HF_TOKEN": CANARY}
    assert len(files(desk)) == 1


def test_why_says_what_an_attempt_is_prepared_with(desk: Desk):
    worker, uid = placed(desk, HF_TOKEN=CANARY)
    state = AttemptState.PREPARING
    worker.beat(AttemptReport(uid, state, detail="its set-up runs"))

    why = desk.ask("GET", "/v1/jobs/job/why").json
    (task,) = desk.ask("GET", "/v1/jobs/job/tasks").json["items"]

    home = f"{task['slice_name']}/0"
    assert why["because"] == f"1 assigned: on {home}: its set-up runs"
    assert task["because"] == "its set-up runs"


def test_a_secret_that_was_deleted_meanwhile_is_said_to_its_worker(desk: Desk):
    desk.ask("PUT", "/v1/secrets/HF_TOKEN", {"value": CANARY})
    worker, uid = placed(desk)
    desk.ask("DELETE", "/v1/secrets/HF_TOKEN")

    answer = desk.ask("GET", f"/v1/attempts/{uid}/secrets", token=worker.token)

    assert answer.json["detail"] == "the cluster has no secret HF_TOKEN any more"
