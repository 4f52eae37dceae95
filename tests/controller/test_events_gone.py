"""Events above their bound: whoever asks for them is told that they are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.controller.history import EventFilter
from iris.controller.streams import stream_events
from tests.support.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, keep_events=20) as desk:
        yield desk


def events(desk: Desk, query: str = "") -> list[dict]:
    return desk.ask("GET", f"/v1/events?{query}").json["items"]


def end_jobs(desk: Desk, count: int) -> None:
    for _ in range(count):
        job = desk.submit()
        desk.ask("POST", f"/v1/jobs/{job.uid}:cancel")


def test_where_events_begin_it_is_said_that_older_ones_are_gone(desk: Desk):
    before = [event["kind"] for event in events(desk)]
    first = desk.submit(name="first")
    end_jobs(desk, 20)

    gone, oldest, *_ = events(desk)
    newest = events(desk, "newest=true&limit=100")
    few = events(desk, "newest=true&limit=3")
    paged = events(desk, f"after={oldest['seq']}")

    assert "events gone" not in before
    assert (gone["kind"], gone["seq"]) == ("events gone", oldest["seq"] - 1)
    assert gone["because"] == "older ones are kept no more (retention/events)"
    assert newest[0] == gone
    assert "events gone" not in {event["kind"] for event in few + paged}
    assert events(desk, f"job={first.name}") == [gone]


def test_a_job_whose_events_are_all_there_has_nothing_to_say(desk: Desk):
    end_jobs(desk, 20)
    late = desk.submit(name="late")

    assert [e["kind"] for e in events(desk, f"job={late.name}")] == ["job submitted"]


def test_a_follower_that_was_away_too_long_is_told_what_it_missed(desk: Desk):
    end_jobs(desk, 20)
    gone = desk.archive.events_gone()
    stream = stream_events(desk.parts, EventFilter(), 1, lambda: False)

    said = [next(stream) for _ in range(3)]

    assert said[1].startswith(f"id: {gone.seq}\n".encode())
    assert b'"kind":"events gone"' in said[1]
    assert said[2].startswith(f"id: {gone.seq + 1}\n".encode())
