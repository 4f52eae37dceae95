"""What a client makes of a controller that is away, cut off, or not a controller."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.states import JobState
from iris.domain.views import ClusterView, JobView, LogLine
from iris.errors import (
    ClusterGone,
    NoCluster,
    NotAllowed,
    NotAuthenticated,
    NotThere,
    Unreachable,
)

VIEW = ClusterView("proof", "c1", "0", 0.0, "", "", {}, {}, {}, {})


class Played:
    """A server that answers one request after the other as a test says."""

    def __init__(self) -> None:
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[str, str, bytes]] = []
        played = self

        class Speaker(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                body = self.rfile.read(length)
                played.asked.append((self.command, self.path, body))
                status, headers, content = played.script.pop(0)
                if not status:
                    self.close_connection = True  # gone without a word
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = _answer

            def log_message(self, *words: object) -> None:
                """Say nothing: the test knows what was asked."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Speaker)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def says(self, content: object) -> None:
        """Next, the answer of a controller."""
        self.script.append((200, {"Iris-Seq": "7"}, msgspec.json.encode(content)))

    def refuses(self, status: int, code: str, **headers: str) -> None:
        """Next, the refusal of a controller."""
        problem = {"code": code, "title": "no", "status": status, "detail": "not now"}
        kind = {"Content-Type": "application/problem+json"}
        self.script.append((status, kind | headers, json.dumps(problem).encode()))

    def streams(self, *events: bytes) -> None:
        """Next, a stream that is cut after these bytes."""
        headers = {"Iris-Seq": "7", "Content-Type": "text/event-stream"}
        self.script.append((200, headers, b"".join(events)))

    def is_another_program(self, status: int) -> None:
        """Next, what a web server says that is no controller."""
        self.script.append((status, {"Content-Type": "text/html"}, b"<h1>Hello</h1>"))

    def vanishes(self) -> None:
        """Next, the connection breaks once the request was read."""
        self.script.append((0, {}, b""))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def played() -> Iterator[Played]:
    server = Played()
    yield server
    server.close()


@pytest.fixture
def client(played) -> Iterator[Client]:
    with Client(lambda: played.url, "token", patience=20.0) as made:
        yield made


def an_event(cursor: int, words: bytes) -> bytes:
    line = LogLine(cursor, task=0, attempt=0, at=0.0, content=words)
    return b"id: %d\ndata: %s\n\n" % (cursor, msgspec.json.encode(line))


END = b'event: end\nid: 30\ndata: {"job": "j", "state": "succeeded"}\n\n'


def test_another_program_on_the_old_port_is_not_taken_for_the_controller(
    played, client
):
    for status in (200, 404, 500):
        played.is_another_program(status)
    played.says(VIEW)

    assert client.cluster() == VIEW


def test_another_program_that_stays_is_said_to_be_no_controller(played):
    for _ in range(9):
        played.is_another_program(404)

    with (
        Client(played.url, "token", patience=0.2) as client,
        pytest.raises(Unreachable, match="is no controller"),
    ):
        client.job("train")


def test_a_wrong_token_is_said_even_where_the_answer_has_no_body(played, client):
    kind = {"Content-Type": "application/problem+json"}
    played.script.append((401, kind, b""))

    with pytest.raises(NotAuthenticated):
        client.upload_bundle(_ABundle())


class _ABundle:
    sha256 = "0" * 64
    path = None


def test_a_submission_whose_answer_was_lost_is_sent_again_as_the_same(played, client):
    view = JobView("j-1", "train", "me", JobState.PENDING, 0.0, 0.0, {}, "", SPEC)
    played.vanishes()
    played.says(view)

    assert client.submit(SPEC) == view

    (_, _, first), (_, _, second) = played.asked
    assert first == second
    assert json.loads(first)["client_id"]


SPEC = JobSpec(("true",), "train")


def test_a_busy_controller_is_asked_again_and_a_refusal_is_not(played, client):
    played.refuses(503, "busy", **{"Retry-After": "0"})
    played.says(VIEW)
    played.refuses(404, "not-there")

    assert client.cluster() == VIEW
    with pytest.raises(NotThere, match="not now"):
        client.job("train")

    assert played.script == []


def test_a_stream_that_is_cut_in_the_middle_of_an_event_goes_on_before_it(
    played, client
):
    played.streams(an_event(10, b"one\n"), an_event(20, b"two\n")[:-9])
    played.vanishes()
    played.streams(an_event(20, b"two\n"), END)

    pieces = [piece.content for piece in client.follow_log("j")]

    assert pieces == [b"one\n", b"two\n"]
    assert [path.partition("cursor=")[2] for _, path, _ in played.asked][1:] == [
        "10",
        "10",
    ]


def test_a_cluster_that_is_gone_is_said_soon_and_a_restart_is_ridden_out(played):
    gone = NoCluster("cluster 'proof' has no controller")
    places: list[object] = [gone, gone, played.url]
    played.says(VIEW)

    def lookup():
        place = places.pop(0) if len(places) > 1 else places[0]
        if isinstance(place, NoCluster):
            raise place
        return place

    with Client(lookup, "token", patience=300.0) as client:
        assert client.cluster() == VIEW

    def nowhere():
        raise gone

    with Client(nowhere, "token", patience=300.0) as client, pytest.raises(NoCluster):
        client.cluster()


def test_a_cluster_that_is_deleted_is_not_waited_for_though_it_was_there(played):
    places: list[object] = [played.url, NoCluster("away"), ClusterGone("deleted")]
    played.says(VIEW)
    played.vanishes()

    def lookup():
        place = places.pop(0)
        if isinstance(place, NoCluster):
            raise place
        return place

    with Client(lookup, "token", patience=300.0) as client:
        client.cluster()
        with pytest.raises(ClusterGone, match="deleted"):
            client.cluster()
    assert places == []


def test_a_machine_made_anew_may_not_know_our_key_for_a_while(played):
    places = [played.url, NotAllowed("not let in"), NotAllowed("nor now"), played.url]
    played.says(VIEW)
    played.vanishes()
    played.says(VIEW)

    def lookup():
        place = places.pop(0)
        if isinstance(place, NotAllowed):
            raise place
        return place

    with Client(lookup, "token", patience=300.0) as client:
        assert client.cluster() == VIEW
        assert client.cluster() == VIEW
    assert places == []


def test_a_machine_that_never_let_us_in_is_not_asked_again():
    def lookup():
        raise NotAllowed("not let in")

    with Client(lookup, "token", patience=300.0) as client, pytest.raises(NotAllowed):
        client.cluster()
