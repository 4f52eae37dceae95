"""Requests to a controller that is there, away, elsewhere, or not ours to ask."""

from __future__ import annotations

import logging

import pytest

from iris import wire
from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.pages import BundleKept, Page
from iris.domain.states import JobState
from iris.domain.views import Health, JobView, Problem
from iris.errors import (
    Busy,
    JobRefused,
    NoCluster,
    NotAuthenticated,
    NotThere,
    Unreachable,
)
from tests.support.http_server import HttpServer, Said

HEALTH = wire.encode(Health("proof", "uid", "1", True, ()))


class Script:
    """Answers one after the other, the last one for ever."""

    def __init__(self, *answers: Said) -> None:
        self.answers = list(answers)

    def __call__(self, asked) -> Said:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def a_problem(code: str, status: int, **headers: str) -> Said:
    problem = Problem(code, "No", status, "not so", "Do better.")
    headers |= {"Content-Type": "application/problem+json"}
    return Said(status, wire.encode(problem), headers)


def a_job(name: str, state: JobState = JobState.PENDING) -> JobView:
    spec = JobSpec(command=("true",), name=name)
    return JobView(f"j-{name}", name, "ada", state, 0.0, 0.0, {}, "", spec)


def test_connections_are_kept_and_the_token_is_shown():
    with (
        HttpServer(Script(Said(body=HEALTH))) as server,
        Client(server.url, "secret") as client,
    ):
        client.health()
        assert client.health().cluster == "proof"

    assert server.connections == 1
    assert {asked.token for asked in server.asked} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("not-there", 404, NotThere),
        ("not-authenticated", 401, NotAuthenticated),
        ("job-refused", 422, JobRefused),
    ],
)
def test_what_the_controller_refuses_is_raised_as_its_own_error(code, status, kind):
    with (
        HttpServer(Script(a_problem(code, status))) as server,
        Client(server.url, "") as client,
        pytest.raises(kind) as caught,
    ):
        client.cluster()

    assert (caught.value.message, caught.value.hint) == ("not so", "Do better.")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_answer_that_means_later_is_asked_for_again(status):
    busy = a_problem("busy", status)

    with (
        HttpServer(Script(busy, busy, Said(body=HEALTH))) as server,
        Client(server.url, "") as client,
    ):
        assert client.health().ok

    assert len(server.asked) == 3


def test_a_controller_that_stays_busy_is_busy_once_patience_is_over():
    with (
        HttpServer(Script(a_problem("busy", 503))) as server,
        Client(server.url, "", patience=0.2) as client,
        pytest.raises(Busy),
    ):
        client.health()

    assert len(server.asked) > 2


def test_an_answer_of_somebody_else_is_no_answer():
    with (
        HttpServer(Script(Said(502, b"<html>bad gateway</html>"))) as server,
        Client(server.url, "", patience=0.0) as client,
        pytest.raises(Unreachable, match="it says 502"),
    ):
        client.health()


def test_a_controller_is_found_where_it_came_back():
    with HttpServer(Script(Said(body=HEALTH))) as gone:
        pass
    with HttpServer(Script(Said(body=HEALTH))) as back:
        places = [gone.url, gone.url, back.url]
        with Client(lambda: places.pop(0) if len(places) > 1 else places[0], "") as c:
            assert c.health().ok

    assert len(back.asked) == 1


def test_a_task_of_a_job_finds_a_controller_that_came_back_elsewhere(
    tmp_path, monkeypatch
):
    file = tmp_path / "controller"
    monkeypatch.setenv("IRIS_CONTROLLER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("IRIS_CONTROLLER_FILE", str(file))
    monkeypatch.setenv("IRIS_JOB_TOKEN", "job.j-1.x")
    with HttpServer(Script(Said(body=HEALTH))) as back:

        def leave(asked) -> Said:
            file.write_text(f"{back.url}\n")
            return a_problem("busy", 503)

        with HttpServer(leave) as first, Client.of_job() as client:
            file.write_text(f"{first.url}\n")
            assert client.health().ok

    (asked,) = back.asked
    assert asked.token == "Bearer job.j-1.x"


def test_a_program_that_is_no_task_of_a_job_is_told_so(monkeypatch):
    monkeypatch.delenv("IRIS_JOB_TOKEN", raising=False)

    with pytest.raises(NoCluster, match="no task of a job"):
        Client.of_job()


def test_unreachable_says_where_and_why_once_patience_is_over():
    with HttpServer(Script(Said())) as gone:
        pass

    with (
        Client(gone.url, "", patience=0.1) as client,
        pytest.raises(Unreachable) as caught,
    ):
        client.health()

    assert gone.url in caught.value.message
    assert "connection refused" in caught.value.message
    assert "cluster.restart" in caught.value.hint


def test_a_person_hears_once_that_the_controller_is_away(caplog):
    with HttpServer(Script(Said())) as gone:
        pass

    with (
        caplog.at_level(logging.WARNING),
        Client(gone.url, "", patience=2.5) as client,
        pytest.raises(Unreachable, match="tried for"),
    ):
        client.health()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "for 1 s more" in caplog.text


def test_a_cluster_without_a_controller_ends_it_soon_and_promises_no_longer(caplog):
    def lookup() -> str:
        raise NoCluster("there is none")

    with (
        caplog.at_level(logging.WARNING),
        Client(lookup, "", patience=300.0) as client,
        pytest.raises(NoCluster, match="tried for 2 s"),
    ):
        client.health()

    assert [r.getMessage() for r in caplog.records] == [
        "there is none; trying for 1 s more."
    ]


def test_a_controller_that_vanished_while_spoken_to_is_waited_for():
    with HttpServer(Script(Said(body=HEALTH))) as server:
        steps = iter([server.url])
        asked = []

        def lookup() -> str:
            asked.append("where")
            if len(asked) in (2, 3):
                raise NoCluster("between two controllers")
            return next(steps, server.url)

        client = Client(lookup, "", patience=20.0)
        client.health()
        client._link._url = ""  # as after a connection that broke

        assert client.health().ok
        client.close()

    assert len(asked) == 4


def test_a_job_submitted_twice_by_a_lost_answer_bears_one_client_id():
    accepted = Said(201, wire.encode(a_job("train")))

    with (
        HttpServer(Script(a_problem("busy", 503), accepted)) as server,
        Client(server.url, "") as client,
    ):
        client.submit(JobSpec(command=("true",)))

    first, second = server.asked
    assert first.body == second.body


def test_lists_are_asked_for_page_by_page_until_there_are_enough():
    def page(asked) -> Said:
        begin = int(asked.query.get("page", 0))
        size = int(asked.query["limit"])
        items = tuple(a_job(str(n)) for n in range(begin, begin + size))
        return Said(body=wire.encode(Page(items, str(begin + size))))

    with HttpServer(page) as server, Client(server.url, "") as client:
        jobs = client.jobs(limit=1500, state="pending")

    assert [job.name for job in jobs] == [str(n) for n in range(1500)]
    assert [asked.query["limit"] for asked in server.asked] == ["1000", "500"]


def test_a_bundle_travels_once(tmp_path):
    file = tmp_path / "bundle"
    file.write_bytes(b"code")
    have: set[str] = set()

    class Packed:
        sha256, path = "5a5a", file

    def keep(asked) -> Said:
        if asked.method == "HEAD":
            return Said() if asked.path in have else a_problem("not-there", 404)
        have.add(asked.path)
        return Said(body=wire.encode(BundleKept("5a5a", len(asked.body))))

    with HttpServer(keep) as server, Client(server.url, "") as client:
        assert client.upload_bundle(Packed())
        assert not client.upload_bundle(Packed())

    assert [(a.method, a.body) for a in server.asked] == [
        ("HEAD", b""),
        ("PUT", b"code"),
        ("HEAD", b""),
    ]


def test_a_name_is_one_part_of_a_path():
    with (
        HttpServer(Script(a_problem("not-there", 404))) as server,
        Client(server.url, "") as client,
    ):
        with pytest.raises(NotThere):
            client.job("../cluster?x=1")
        with pytest.raises(NotThere):
            client.job("")

    assert [asked.path for asked in server.asked] == ["/v1/jobs/..%2Fcluster%3Fx%3D1"]


def test_get_answers_json_and_text():
    def both(asked) -> Said:
        if asked.path == "/metrics":
            return Said(body=b"up 1\n", headers={"Content-Type": "text/plain"})
        return Said(body=b"[1]", headers={"Content-Type": "application/json"})

    with HttpServer(both) as server, Client(server.url, "") as client:
        assert client.get("v1/cluster") == [1]
        assert client.get("/metrics") == "up 1\n"
