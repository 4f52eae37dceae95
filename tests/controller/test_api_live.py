"""The API over real HTTP: streams, their places, nudges, and a stop that ends all."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from iris import wire
from iris.controller.app import create_app
from iris.controller.nudges import Nudger
from iris.controller.server import HttpServer, listen, url_of
from iris.domain.events import Event
from iris.domain.protocol import AttemptReport, Heartbeat
from iris.domain.states import AttemptState
from iris.domain.views import LogLine
from iris.errors import PortTaken
from tests.support.desk import Desk, PlayedWorker
from tests.support.eventually import eventually

SUCCEEDED = AttemptState.SUCCEEDED


class Said(msgspec.Struct):
    """One server-sent event."""

    name: str
    id: str
    content: bytes


class Stream:
    """A reader of server-sent events."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._connection.request(
            "GET", path, headers={"Authorization": f"Bearer {token}"}
        )
        self.response = self._connection.getresponse()

    def next(self) -> Said | None:
        """The next event, None at the end of the stream; comments are passed over."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name and value:
                fields[name] = value
            elif not name and "data" in fields:
                content = fields["data"].encode()
                return Said(fields.get("event", ""), fields.get("id", ""), content)
            if not name and not value:
                fields = {k: v for k, v in fields.items() if k}
        return None

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture
def port(desk: Desk) -> Iterator[int]:
    """Where the desk's application is served over HTTP."""
    listener = listen("127.0.0.1", 0)
    server = HttpServer(create_app(desk.parts), listener)
    server.start()
    yield listener.getsockname()[1]
    desk.parts.closing.set()
    server.stop()


def ship(desk: Desk, worker: PlayedWorker, uid: str, offset: int, content: str) -> None:
    chunk = {"attempt_uid": uid, "offset": offset, "content": content.encode()}
    path = f"/v1/workers/{worker.uid}/logs"
    assert desk.ask("POST", path, {"chunks": [chunk]}, worker.token).status_code == 200


def test_output_is_followed_until_the_job_has_ended(desk: Desk, port: int):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    ship(desk, worker, uid, 0, "one\n")

    stream = Stream(port, f"/v1/jobs/{job.name}/log:stream", desk.operator)
    first = stream.next()
    ship(desk, worker, uid, 4, "two\n")
    second = stream.next()
    worker.beat(AttemptReport(uid, SUCCEEDED, exit_code=0, log_bytes=8))
    end, after = stream.next(), stream.next()
    stream.close()

    lines = [wire.decode(said.content, LogLine) for said in (first, second)]
    assert [line.content for line in lines] == [b"one\n", b"two\n"]
    assert [said.id for said in (first, second)] == [str(n.cursor) for n in lines]
    assert (end.name, end.id) == ("end", second.id)
    assert wire.decode(end.content, dict) == {"job": job.name, "state": "succeeded"}
    assert after is None
    eventually(lambda: desk.parts.streams.taken == 0)


def test_a_stream_goes_on_from_the_cursor_of_the_former_one(desk: Desk, port: int):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    ship(desk, worker, uid, 0, "one\n")
    ship(desk, worker, uid, 4, "two\n")
    path = f"/v1/jobs/{job.name}/log:stream"

    former = Stream(port, path, desk.operator)
    cursor = former.next().id
    former.close()
    later = Stream(port, f"{path}?cursor={cursor}", desk.operator)
    line = wire.decode(later.next().content, LogLine)
    later.close()

    assert line.content == b"two\n"


def test_events_come_from_history_first_and_then_as_they_happen(desk: Desk, port: int):
    job = desk.submit(name="early")

    stream = Stream(port, "/v1/events:stream?after=0", desk.operator)
    seen = [wire.decode(stream.next().content, Event)]
    while seen[-1].job != "early":
        seen.append(wire.decode(stream.next().content, Event))
    desk.ask("POST", f"/v1/jobs/{job.name}:cancel")
    live = wire.decode(stream.next().content, Event)
    stream.close()

    assert live.kind == "job cancelled"
    assert [e.seq for e in seen] == sorted({e.seq for e in seen})
    eventually(lambda: desk.parts.streams.taken == 0)


def test_streams_have_a_budget_and_leave_the_rest_alone(desk: Desk, port: int):
    most = desk.parts.streams.most
    streams = [Stream(port, "/v1/events:stream", desk.operator) for _ in range(most)]

    busy = Stream(port, "/v1/events:stream", desk.operator)
    usual = Stream(port, "/v1/jobs", desk.operator)

    assert {stream.response.status for stream in streams} == {200}
    assert busy.response.status == 503
    assert busy.response.getheader("Retry-After")
    assert usual.response.status == 200
    for stream in (*streams, busy, usual):
        stream.close()
    eventually(lambda: desk.parts.streams.taken == 0)


def test_a_wrong_cursor_is_refused_before_the_stream_begins(desk: Desk, port: int):
    job = desk.submit()

    stream = Stream(port, f"/v1/jobs/{job.name}/log:stream?cursor=7", desk.operator)

    assert stream.response.status == 400
    stream.close()
    assert desk.parts.streams.taken == 0


def test_a_body_of_megabytes_and_many_connections_are_served(desk: Desk, port: int):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    failures: list[object] = []

    def beat(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for turn in range(10):
            words = Heartbeat(worker.uid, worker.row.boot_id, 1000 * turn + number)
            path = f"/v1/workers/{worker.uid}/heartbeat"
            headers = {"Authorization": f"Bearer {worker.token}"}
            connection.request("POST", path, wire.encode(words), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=beat, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    ship(desk, worker, uid, 0, "x" * 4_000_000)
    for thread in threads:
        thread.join()

    assert failures == []
    assert desk.parts.logs.have(job.uid, 0, 0) == 4_000_000


def test_a_worker_with_something_new_to_do_is_nudged(desk: Desk):
    (worker,) = desk.boot()
    nudger = Nudger(desk.state)
    desk.state.listen(nudger.tell)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        words = Heartbeat(worker.uid, worker.row.boot_id, 99, ear.getsockname()[1])
        desk.ask("POST", f"/v1/workers/{worker.uid}/heartbeat", words, worker.token)

        desk.place(desk.submit(), worker)

        assert ear.recv(10) == b""
    nudger.close()


def test_a_worker_is_not_nudged_for_what_it_said_itself(desk: Desk):
    (worker,) = desk.boot()
    uid = desk.place(desk.submit(), worker)
    nudged: list[str] = []
    desk.state.listen(lambda changed: nudged.extend(changed.workers))

    worker.beat(AttemptReport(uid, AttemptState.RUNNING))

    assert nudged == []


def test_what_is_given_to_a_worker_that_waits_for_its_answer_is_in_that(desk: Desk):
    (worker,) = desk.boot()
    nudger = Nudger(desk.state)
    desk.state.listen(nudger.tell)
    words = Heartbeat(worker.uid, worker.row.boot_id, 99, 1)
    given: list[str] = []

    def settle() -> None:
        given.append(desk.place(desk.submit(), worker))

    answer = desk.state.heartbeat(words, settle)
    assert [desired.uid for desired in answer.attempts] == given
    assert nudger.sent == 0

    desk.place(desk.submit(), worker)
    assert nudger.sent == 1
    nudger.close()


def test_a_port_that_is_taken_is_named(desk: Desk, port: int):
    with pytest.raises(PortTaken, match=str(port)):
        listen("127.0.0.1", port)


def test_a_url_says_where_a_socket_listens():
    with listen("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
