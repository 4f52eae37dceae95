"""Turns of retention: what went is gone whole, and said where it would have been."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from iris.controller.logs import LogFilter, Piece
from iris.controller.retention import Retention
from iris.domain.disk import DiskUse
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from iris.domain.views import JobView
from iris.planning.retention import BUNDLE_REST, RetentionBounds
from tests.support.desk import GB, Desk, open_desk

HOUR = 3600.0
PLENTY = RetentionBounds(jobs=1000, jobs_for=1e9, logs=GB, outputs=GB)
SHA = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of b"x"


def retention(desk: Desk, **bounds: float) -> Retention:
    return Retention(desk.parts, desk.archive, replace(PLENTY, **bounds))


def settle(desk: Desk, retention: Retention) -> None:
    """Turns until the next is not due soon."""
    for _ in range(100):
        if retention.retain_once() > desk.clock.now() + 1.0:
            return
    raise AssertionError("it never comes to rest")


def end(desk: Desk, name: str, **spec: object) -> JobView:
    """A job that was cancelled at once."""
    job = desk.submit(name=name, **spec)
    desk.ask("POST", f"/v1/jobs/{name}:cancel")
    desk.clock.advance(1)
    return job


def say(desk: Desk, job: JobView, size: int) -> None:
    desk.parts.logs.append(job.uid, Piece(0, 0, 0, b"x" * size), at=1.0)


def rows(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "iris.db")) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("jobs", "tasks", "attempts")
        }


def marks(desk: Desk) -> dict[str, int]:
    return desk.state.forgetting()


def test_a_forgotten_job_is_gone_with_all_that_it_left(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit(name="old", tasks=3)
    uid = desk.place(job, worker)
    worker.beat(AttemptReport(uid, AttemptState.SUCCEEDED, exit_code=0))
    desk.ask("POST", "/v1/jobs/old:cancel")
    desk.clock.advance(10)
    kept = end(desk, "kept")
    for each in (job, kept):
        say(desk, each, 10)
        outputs = desk.folder / "outputs" / each.uid
        outputs.mkdir()
        (outputs / "0-0.json").write_text("{}")

    settle(desk, retention(desk, jobs=1))

    gone = desk.ask("GET", "/v1/jobs/old")
    assert gone.status_code == 404
    assert [j["name"] for j in desk.ask("GET", "/v1/jobs").json["items"]] == ["kept"]
    assert rows(desk.folder) == {"jobs": 1, "tasks": 0, "attempts": 0}
    assert desk.parts.logs.sizes().keys() == {kept.uid}
    assert desk.parts.outputs.sizes().keys() == {kept.uid}
    assert marks(desk) == {}
    assert desk.submit(name="old").name == "old"  # the name is free again
    kinds = [e["kind"] for e in desk.ask("GET", "/v1/events").json["items"]]
    assert kinds.count("jobs forgotten") == 1


def test_who_asks_for_a_forgotten_job_is_told_that_there_may_have_been_one(desk: Desk):
    before = desk.ask("GET", "/v1/jobs/old").json
    end(desk, "old")
    settle(desk, retention(desk, jobs=0))

    after = desk.ask("GET", "/v1/jobs/old").json

    assert "retention" not in before.get("hint", "")
    assert after["detail"] == before["detail"]
    assert "ended by 2027-01-15 may be kept no more (retention)" in after["hint"]


def test_jobs_that_a_live_one_refers_to_stay_until_it_has_ended(desk: Desk):
    first = desk.submit(name="first")
    desk.submit(name="second", after=[{"job": "first", "on": "any"}])
    desk.ask("POST", "/v1/jobs/first:cancel")
    turns = retention(desk, jobs=0)

    settle(desk, turns)
    while_live = desk.ask("GET", f"/v1/jobs/{first.uid}").status_code
    desk.ask("POST", "/v1/jobs/second:cancel")
    settle(desk, turns)

    assert while_live == 200
    assert desk.ask("GET", f"/v1/jobs/{first.uid}").status_code == 404


def test_logs_above_their_bound_go_and_log_and_events_say_so(desk: Desk):
    old, new = end(desk, "old"), end(desk, "new")
    for job in (old, new):
        say(desk, job, 600_000)

    settle(desk, retention(desk, logs=1_000_000))

    (line,), cursor = desk.parts.logs.read(old.uid, 0, LogFilter(0))
    page = desk.ask("GET", f"/v1/jobs/old/log?cursor={cursor}").json
    assert line.content == (
        b"iris: 600 kB of this log are gone: above the bound of 1 MB for all logs "
        b"(retention/logs)\n"
    )
    assert (page["items"], page["complete"]) == ([], True)
    assert desk.parts.logs.sizes()[new.uid] > 600_000
    (event,) = (
        e
        for e in desk.ask("GET", "/v1/events?job=old").json["items"]
        if e["kind"] == "log dropped"
    )
    assert event["because"] == (
        "600.4 kB are gone: above the bound of 1 MB for all logs (retention/logs)"
    )
    words = "600 kB are gone: above the bound of 1 MB for all logs (retention/logs)"
    assert desk.ask("GET", "/v1/jobs/old").json["gone"] == [f"log: {words}"]
    assert desk.ask("GET", "/v1/jobs/new").json["gone"] == []


def test_a_pressed_disk_takes_outputs_too_and_who_fetches_them_is_told(desk: Desk):
    job, live = end(desk, "old"), desk.submit(name="live")
    for each in (job, live):
        folder = desk.folder / "outputs" / each.uid
        folder.mkdir()
        (folder / "0-0.tar.gz").write_bytes(b"x" * 5000)
        say(desk, each, 5000)
    desk.disk_use = DiskUse(50 * GB, 4 * GB)

    retention(desk).retain_once()

    said = desk.ask("GET", "/v1/jobs/old/outputs").json["items"][0]["missing"]
    assert said == "5 kB are gone: the state disk was over 90% full"
    assert desk.parts.outputs.sizes().keys() == {live.uid}
    assert desk.parts.logs.sizes()[live.uid] > 5000
    assert desk.parts.logs.sizes()[job.uid] < 100
    text = desk.ask("GET", "/metrics").text
    assert 'iris_dropped_bytes_total{what="outputs",why="disk-pressed"} 5000.0' in text


def test_a_bundle_goes_with_the_last_job_that_used_it(desk: Desk):
    desk.ask("PUT", f"/v1/bundles/{SHA}", b"x")
    end(desk, "uses-it", bundle=SHA)
    desk.clock.advance(BUNDLE_REST + 60)
    turns = retention(desk, jobs_for=2 * BUNDLE_REST)

    settle(desk, turns)
    while_used = desk.parts.bundles.asked_at().keys()
    desk.clock.advance(BUNDLE_REST)
    settle(desk, turns)

    assert while_used == {SHA}
    assert desk.parts.bundles.asked_at() == {}


def test_a_bundle_that_somebody_just_asked_for_stays(desk: Desk):
    desk.ask("PUT", f"/v1/bundles/{SHA}", b"x")
    desk.clock.advance(BUNDLE_REST + 60)
    asked = desk.ask("HEAD", f"/v1/bundles/{SHA}")

    settle(desk, retention(desk))

    assert asked.status_code == 200
    desk.submit(bundle=SHA)


def test_what_forgotten_jobs_held_stays_their_users(desk: Desk):
    (worker,) = desk.boot()
    turns = retention(desk, jobs=0)
    for name in ("first", "second"):
        job = desk.submit(name=name, resources={"cpus": 1})
        uid = desk.place(job, worker)
        desk.clock.advance(HOUR)
        worker.beat(AttemptReport(uid, AttemptState.SUCCEEDED, exit_code=0))
        before = desk.ask("GET", "/v1/costs").json
        settle(desk, turns)
    after = desk.ask("GET", "/v1/costs").json

    (share,) = after["users"]
    assert (share["user"], share["cpu_hours"]) == ("operator", pytest.approx(2.0))
    assert after["slices"][0]["idle_hours"] == pytest.approx(1.5)
    assert _without_jobs(after) == _without_jobs(before)
    assert [(job["job"], job["user"]) for job in after["jobs"]] == [("", "operator")]
    desk.clock.advance(HOUR)
    assert desk.ask("GET", "/v1/costs?within=60").json["users"] == []


def test_the_oldest_go_beside_live_ones_that_do_not_refer_to_them(desk: Desk):
    parent = desk.submit(name="parent")
    olds = [end(desk, f"old-{n}") for n in range(3)]
    desk.ask("POST", "/v1/jobs/parent:cancel")
    desk.submit(name="unrelated")

    settle(desk, retention(desk, jobs=1))

    asked = [desk.ask("GET", f"/v1/jobs/{job.uid}").status_code for job in olds]
    assert asked == [404, 404, 404]
    assert desk.ask("GET", f"/v1/jobs/{parent.uid}").status_code == 200


def test_where_a_live_job_needs_one_of_them_by_now_none_is_forgotten(desk: Desk):
    names = ("first", "other")
    uids = [desk.submit(name=name).uid for name in names]
    desk.submit(name="second", after=[{"job": "first", "on": "any"}])
    for name in names:
        desk.ask("POST", f"/v1/jobs/{name}:cancel")
    jobs = desk.archive.jobs_by_uid(uids)

    assert not desk.state.forget_jobs(jobs, (), "a plan of before")
    assert {desk.ask("GET", f"/v1/jobs/{uid}").status_code for uid in uids} == {200}


def _without_jobs(view: dict[str, object]) -> dict[str, object]:
    return {key: view[key] for key in ("slices", "users", "usd", "idle_usd")}


def test_a_job_of_many_tasks_goes_in_parts(desk: Desk):
    end(desk, "wide", tasks=5000)
    turns = retention(desk, jobs=0)

    turns.retain_once()
    between = marks(desk)
    settle(desk, turns)

    assert list(between.values()) == [3000]
    assert marks(desk) == {}


@pytest.mark.parametrize("turns", [1, 2])
def test_a_crash_in_the_middle_of_forgetting_is_made_good_at_the_next_start(
    tmp_path: Path, turns: int
):
    with open_desk(tmp_path) as desk:
        job = end(desk, "wide", tasks=5000)
        say(desk, job, 10)
        ending = retention(desk, jobs=0)
        for _ in range(turns):
            ending.retain_once()
        desk.state.wait_durable()
        say(desk, job, 10)  # as if the files were not reached
    with open_desk(tmp_path) as desk:
        before = marks(desk)

        settle(desk, retention(desk))

        assert before
        assert marks(desk) == {}
        assert desk.parts.logs.sizes() == {}
        assert rows(desk.folder) == {"jobs": 0, "tasks": 0, "attempts": 0}


def test_files_that_nobody_knows_go_at_the_start_and_others_stay(desk: Desk):
    live, past = desk.submit(name="live"), end(desk, "past")
    for uid in (live.uid, past.uid, "j-stray"):
        desk.parts.logs.append(uid, Piece(0, 0, 0, b"x"), at=1.0)
        (desk.folder / "outputs" / uid).mkdir()

    settle(desk, retention(desk))

    assert desk.parts.logs.sizes().keys() == {live.uid, past.uid}
    assert desk.parts.outputs.sizes().keys() == {live.uid, past.uid}


def test_after_a_restart_all_that_has_ended_is_known_again(tmp_path: Path):
    with open_desk(tmp_path) as desk:
        for number in range(5):
            end(desk, f"job-{number}")
    with open_desk(tmp_path) as desk:
        desk.clock.advance(100)

        settle(desk, retention(desk, jobs=2))

        names = [j["name"] for j in desk.ask("GET", "/v1/jobs").json["items"]]
        assert names == ["job-4", "job-3"]
