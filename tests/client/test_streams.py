"""Streams over cuts: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random

import pytest

from iris import wire
from iris.client import Client
from iris.client.streams import Sent, parse
from iris.domain.events import Event
from iris.domain.jobs import JobSpec
from iris.domain.states import JobState
from iris.domain.views import JobView, LogLine
from iris.errors import Late
from tests.support.http_server import HttpServer, Said

END = b'event: end\nid: 99\ndata: {"job":"j","state":"succeeded"}\n\n'


def an_event(cursor: int, content: bytes = b"{}") -> bytes:
    return b"id: %d\ndata: %s\n\n" % (cursor, content)


def a_line(cursor: int) -> bytes:
    line = LogLine(cursor, 0, 0, 0.0, b"line %d\n" % cursor)
    return an_event(cursor, wire.encode(line))


def a_job(state: JobState) -> Said:
    spec = JobSpec(command=("true",), name="train")
    view = JobView("j-1", "train", "ada", state, 0.0, 0.0, {}, "", spec)
    return Said(body=wire.encode(view))


def cut(text: bytes, seed: int) -> list[bytes]:
    """The bytes in pieces of any size."""
    chance = random.Random(seed)
    places = sorted(chance.sample(range(1, len(text)), k=chance.randrange(len(text))))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@pytest.mark.parametrize("seed", range(20))
def test_events_are_the_same_however_the_bytes_are_cut(seed):
    text = b": hello\n\n" + an_event(1, b"one") + b": still here\n\n" + END

    assert list(parse(cut(text, seed))) == [
        Sent("", "1", b"one"),
        Sent("end", "99", b'{"job":"j","state":"succeeded"}'),
    ]


def test_an_event_that_was_cut_is_left_out():
    assert list(parse([an_event(1, b"one"), b"id: 2\ndata: tw"])) == [
        Sent("", "1", b"one")
    ]


def test_output_comes_once_whatever_is_cut():
    lines = [a_line(cursor) for cursor in range(1, 7)]

    def stream(asked) -> Said:
        begin = int(asked.query["cursor"])
        # two whole lines, and half of the next: then the connection breaks
        rest = b"".join(lines[begin : begin + 2])
        torn = lines[begin + 2][:20] if begin + 2 < len(lines) else END
        return Said(pieces=[rest, torn])

    with HttpServer(stream) as server, Client(server.url, "") as client:
        got = list(client.follow_log("train"))

    assert [line.cursor for line in got] == [1, 2, 3, 4, 5, 6]
    assert [asked.query["cursor"] for asked in server.asked] == ["0", "2", "4"]


def test_events_go_on_from_the_last_number():
    def stream(asked) -> Said:
        after = int(asked.query["after"])
        event = Event(after + 1, 0.0, "slice ready")
        return Said(pieces=[an_event(after + 1, wire.encode(event))])

    with HttpServer(stream) as server, Client(server.url, "") as client:
        events = client.follow_events(5, slice_name="s")
        numbers = [next(events).seq for _ in range(3)]
        events.close()

    assert numbers == [6, 7, 8]
    assert {asked.query["slice"] for asked in server.asked} == {"s"}


def test_a_wait_ends_with_the_event_that_tells_of_the_end():
    states = [JobState.RUNNING, JobState.RUNNING, JobState.FAILED]
    event = wire.encode(Event(8, 0.0, "job cancelled"))
    end = wire.encode(Event(9, 0.0, "job failed"))

    def answer(asked) -> Said:
        if asked.path == "/v1/events:stream":
            return Said(pieces=[an_event(8, event), an_event(9, end)])
        return a_job(states.pop(0) if len(states) > 1 else states[0])

    with HttpServer(answer) as server, Client(server.url, "") as client:
        ended = client.wait_for_job("train")

    stream = next(a for a in server.asked if a.path == "/v1/events:stream")
    assert ended.state is JobState.FAILED
    assert stream.query == {"after": "7", "job": "j-1"}


def test_a_wait_is_late_with_what_it_saw_last():
    def answer(asked) -> Said:
        if asked.path == "/v1/events:stream":
            return Said(pieces=[b": events\n\n"])
        return a_job(JobState.RUNNING)

    with (
        HttpServer(answer) as server,
        Client(server.url, "") as client,
        pytest.raises(Late, match="job train is still running"),
    ):
        client.wait_for_job("train", timeout=0.3)
