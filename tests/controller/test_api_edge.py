"""The HTTP edge: who may, what is refused and how, and that nothing becomes a 500."""

from __future__ import annotations

import re
import threading

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from iris.controller.api.every import EVERY_ROUTE
from iris.controller.api.route import OPEN, Media
from iris.domain.access import Role
from tests.support.desk import Desk, open_desk

GUARDED = [route for route in EVERY_ROUTE if route.roles != OPEN]
NAMES = [f"{route.method} {route.path}" for route in GUARDED]


def path_of(route) -> str:
    return re.sub(r"{\w+}", "nothing-of-that-name", route.path)


@pytest.mark.parametrize("route", GUARDED, ids=NAMES)
@pytest.mark.parametrize("token", ["", "nobody-knows-it"])
def test_the_token_is_looked_at_before_anything_else(desk: Desk, route, token):
    answer = desk.ask(route.method, path_of(route) + "?no=1", b"{not json", token)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    if route.method != "HEAD":
        assert answer.json["code"] == "not-authenticated"


@pytest.mark.parametrize("route", GUARDED, ids=NAMES)
@pytest.mark.parametrize("role", list(Role))
def test_the_role_is_looked_at_before_parameters_and_body(desk: Desk, route, role):
    token = desk.token(role, "ada")

    answer = desk.ask(route.method, path_of(route) + "?no=1", b"{not json", token)

    if route.joins and role is not Role.WORKER:
        assert answer.status_code in (400, 403)
    else:
        assert (answer.status_code == 403) == (role not in route.roles)


def test_a_worker_speaks_for_itself_only(desk: Desk):
    (mine,), (other,) = desk.boot(), desk.boot()
    beat = {"worker_uid": other.uid, "boot_id": "b", "seq": 1}

    as_other = desk.ask("POST", f"/v1/workers/{other.uid}/heartbeat", beat, mine.token)
    in_words = desk.ask("POST", f"/v1/workers/{mine.uid}/heartbeat", beat, mine.token)
    logs = desk.ask("POST", f"/v1/workers/{other.uid}/logs", {"chunks": []}, mine.token)
    jobs = desk.ask("GET", "/v1/jobs", token=mine.token)

    assert [a.status_code for a in (as_other, in_words, logs, jobs)] == [403] * 4


def test_health_is_open_and_says_who_answers(desk: Desk):
    answer = desk.ask("GET", "/health", token="")

    assert answer.status_code == 200
    assert answer.json["cluster_uid"] == "uid-1"
    assert answer.json["ok"] is True


def test_what_is_not_there_is_a_problem(desk: Desk):
    unknown = desk.ask("GET", "/v1/nonsense")
    method = desk.ask("DELETE", "/v1/jobs")
    stranger = desk.ask("GET", "/v1/nonsense", token="")

    assert (unknown.status_code, unknown.json["code"]) == (404, "not-there")
    assert (method.status_code, method.json["code"]) == (405, "method-not-allowed")
    assert set(method.headers["Allow"].split(", ")) >= {"GET", "POST"}
    assert stranger.status_code == 401
    assert unknown.mimetype == method.mimetype == "application/problem+json"


def test_a_body_above_the_limit_is_refused(desk: Desk):
    answer = desk.ask("POST", "/v1/jobs/j:cancel", b" " * (1 << 20) + b"{}")

    assert (answer.status_code, answer.json["code"]) == (413, "too-large")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("state=happy", "state"),
        ("page=-1", "whole number"),
        ("stat=running", "'stat' is no parameter"),
    ],
)
def test_a_wrong_parameter_is_named(desk: Desk, query, words):
    answer = desk.ask("GET", f"/v1/jobs?{query}")

    assert answer.status_code == 400
    assert words in answer.json["detail"]


def test_a_fault_of_ours_gives_a_reference_that_the_log_explains(desk: Desk, caplog):
    desk.archive.close()
    desk.parts.history.job = None  # a broken part: reading it raises TypeError

    answer = desk.ask("GET", "/v1/jobs/any")

    assert (answer.status_code, answer.json["code"]) == (500, "internal-error")
    reference = answer.json["detail"].rpartition(" ")[2]
    assert reference in caplog.text
    assert "Traceback" in caplog.text


def test_the_description_is_valid_and_names_every_route(desk: Desk):
    described = desk.ask("GET", "/v1/openapi.json").json

    OpenAPIV31SpecValidator(described).validate()
    operations = {
        (method.upper(), path)
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert operations == {(route.method, route.path) for route in EVERY_ROUTE}
    names = [o["operationId"] for m in described["paths"].values() for o in m.values()]
    assert len(names) == len(set(names))
    assert "servers" not in described


def test_every_answer_carries_a_sequence_number_that_is_durable(desk: Desk):
    desk.submit()

    for route in EVERY_ROUTE:
        is_plain = "{" not in route.path and route.media is Media.JSON
        if route.method == "GET" and is_plain:
            answer = desk.ask("GET", route.path)
            assert int(answer.headers["Iris-Seq"]) <= desk.store.durable_seq


def test_an_answer_waits_for_what_it_shows_not_for_what_happened_since(desk: Desk):
    desk.submit()
    desk.state.look_afresh()

    with desk.state.reading() as tables:
        shown = len(tables.jobs)
    seen = desk.state.seen_seq()
    another = threading.Thread(target=lambda: desk.state.drain_cluster("a test"))
    another.start()
    another.join()

    assert shown == 1
    assert desk.state.seen_seq() == seen < desk.state.seq
    desk.state.look_afresh()
    assert desk.state.seen_seq() == desk.state.seq


def test_places_that_are_taken_make_requests_wait_but_not_health(desk: Desk):
    taken = [desk.parts.requests.take() for _ in range(desk.parts.requests.most)]

    busy = desk.ask("GET", "/v1/jobs")
    health = desk.ask("GET", "/health", token="")
    for place in taken:
        place.release()
    after = desk.ask("GET", "/v1/jobs")

    assert (busy.status_code, busy.json["code"]) == (503, "busy")
    assert int(busy.headers["Retry-After"]) > 0
    assert health.status_code == after.status_code == 200
    assert desk.parts.requests.taken == 0


def test_the_numbers_for_prometheus_count_requests_and_states(desk: Desk):
    desk.submit(tasks=3)

    text = desk.ask("GET", "/metrics", token=desk.token(Role.VIEWER, "eve")).text

    assert 'iris_tasks{state="pending"} 3.0' in text
    assert 'iris_http_requests_total{route="POST /v1/jobs",status="201"} 1.0' in text


def test_a_token_written_before_a_crash_is_let_in_at_the_next_start(tmp_path):
    (tmp_path / "operator.token").write_text("written-but-never-granted\n")

    with open_desk(tmp_path) as desk:
        answer = desk.ask("GET", "/v1/jobs", token="written-but-never-granted")

    assert answer.status_code == 200


def test_the_operators_token_survives_and_is_let_in_again(desk: Desk):
    mode = (desk.folder / "operator.token").stat().st_mode & 0o777

    granted = desk.ask("POST", "/v1/access", {"role": "viewer", "user": "eve"})
    token = granted.json["token"]
    before = desk.ask("GET", "/v1/jobs", token=token)
    desk.ask("POST", f"/v1/access/{granted.json['grant']['token_hash'][:12]}:revoke")
    after = desk.ask("GET", "/v1/jobs", token=token)

    assert mode == 0o600
    assert (before.status_code, after.status_code) == (200, 401)
    kept = b"".join(p.read_bytes() for p in desk.folder.glob("iris.db*"))
    assert token.encode() not in kept
    assert desk.operator.encode() not in kept
