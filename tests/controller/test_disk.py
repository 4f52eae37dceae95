"""A disk that fills up: what is refused, what goes on, and what is kept for State."""

from __future__ import annotations

import pytest

from iris.controller.disk import Glance
from iris.domain.disk import DiskLevel, DiskUse, words_of_disk
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from tests.support.desk import GB, Desk

SHA = "ab" * 32


def used(percent: float, total: int = 50 * GB) -> DiskUse:
    return DiskUse(total, round(total * (100 - percent) / 100))


@pytest.mark.parametrize(
    ("use", "level"),
    [
        (used(89), DiskLevel.ROOMY),
        (used(91), DiskLevel.PRESSED),
        (used(96.9), DiskLevel.PRESSED),
        (used(97.1), DiskLevel.TIGHT),
        (used(99.1), DiskLevel.FULL),
        (used(90), DiskLevel.ROOMY),
        (used(97), DiskLevel.PRESSED),
        (used(90.1, total=4000 * GB), DiskLevel.PRESSED),  # however large it is
        (used(97.1, total=4000 * GB), DiskLevel.TIGHT),
        (DiskUse(0, 0), DiskLevel.ROOMY),  # a file system that does not say
    ],
)
def test_how_full_a_disk_is_says_what_is_taken(use: DiskUse, level: DiskLevel):
    assert use.level is level


def test_a_disk_is_told_with_what_follows():
    assert words_of_disk(used(97.5)) == (
        "the state disk is 98% full: 1.2 GB of 50 GB are free; "
        "submissions, bundles and secrets are refused"
    )
    assert words_of_disk(used(20)) == (
        "the state disk is 20% full: 40 GB of 50 GB are free"
    )


def test_at_97_percent_nothing_new_is_taken_and_all_else_goes_on(desk: Desk):
    (worker,) = desk.boot()
    job, other = desk.submit(name="early"), desk.submit(name="other")
    uid = desk.place(job, worker)
    body = {"client_id": "again", "spec": {"command": ["true"], "name": "again"}}
    first = desk.ask("POST", "/v1/jobs", body)

    desk.disk_use = used(97.5)
    refused = {
        "job": desk.ask("POST", "/v1/jobs", body | {"client_id": "new"}),
        "batch": desk.ask(
            "POST", "/v1/jobs:batch", {"submissions": [body | {"client_id": "new"}]}
        ),
        "bundle": desk.ask("PUT", f"/v1/bundles/{SHA}", b"x"),
        "secret": desk.ask("PUT", "/v1/secrets/KEY", {"value": "x"}),
    }
    repeated = desk.ask("POST", "/v1/jobs", body)
    chunk = {"attempt_uid": uid, "offset": 0, "content": b"said"}
    shipped = desk.ask(
        "POST", f"/v1/workers/{worker.uid}/logs", {"chunks": [chunk]}, worker.token
    )
    worker.beat(AttemptReport(uid, AttemptState.SUCCEEDED, exit_code=0, log_bytes=4))
    cancelled = desk.ask("POST", f"/v1/jobs/{other.name}:cancel")
    drained = desk.ask("POST", "/v1/cluster:drain")

    problems = {name: answer.json["code"] for name, answer in refused.items()}
    assert {answer.status_code for answer in refused.values()} == {507}
    assert problems == dict.fromkeys(refused, "disk-full")
    assert repeated.json["uid"] == first.json["uid"]
    assert shipped.json == {"have": {uid: 4}}
    assert cancelled.json["state"] == "cancelled"
    assert drained.status_code == 200
    assert desk.ask("GET", f"/v1/jobs/{job.name}").json["state"] == "succeeded"
    assert b"said" in b"".join(
        line.content for line in desk.parts.logs.read(job.uid, 0, _all())[0]
    )


def test_once_there_is_room_again_all_is_taken(desk: Desk):
    desk.disk_use = used(98)
    body = {"client_id": "c", "spec": {"command": ["true"]}}
    refused = desk.ask("POST", "/v1/jobs", body)

    desk.disk_use = used(80)

    assert refused.status_code == 507
    assert desk.ask("POST", "/v1/jobs", body).status_code == 201


def test_on_a_full_disk_attempts_end_and_their_logs_say_what_is_missing(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)

    desk.disk_use = used(99.5)
    chunk = {"attempt_uid": uid, "offset": 0, "content": b"x" * 100_000}
    shipped = desk.ask(
        "POST", f"/v1/workers/{worker.uid}/logs", {"chunks": [chunk]}, worker.token
    )
    offer = desk.ask(
        *("POST", f"/v1/attempts/{uid}/outputs"),
        {"size_bytes": 5, "sha256": SHA},
        worker.token,
    )
    worker.beat(
        AttemptReport(uid, AttemptState.SUCCEEDED, exit_code=0, log_bytes=100_000)
    )

    assert shipped.json == {"have": {uid: 100_000}}
    assert (offer.status_code, offer.json["code"]) == (507, "disk-full")
    assert desk.ask("GET", f"/v1/jobs/{job.name}").json["state"] == "succeeded"
    (line,), _ = desk.parts.logs.read(job.uid, 0, _all())
    assert line.content == (
        b"iris: 100 kB of this log are gone: the state disk was full when it came\n"
    )


def test_a_disk_with_room_is_looked_at_now_and_then_a_full_one_each_time():
    looks: list[bool] = []
    answers = [True, False, False, True]

    def look() -> bool:
        looks.append(answers[len(looks)])
        return looks[-1]

    glance = Glance(look)

    said = [glance() for _ in range(18)]

    assert said == [*[True] * 15, False, False, True]
    assert looks == answers


def test_health_and_the_cluster_say_how_full_the_disk_is(desk: Desk):
    desk.disk_use = used(92)

    health = desk.ask("GET", "/health", token="").json
    cluster = desk.ask("GET", "/v1/cluster").json

    assert health["ok"]
    assert health["disk"] == cluster["disk"]
    assert health["disk"]["level"] == "pressed"
    assert health["disk"]["because"].startswith("the state disk is 92% full")


def _all():
    from iris.controller.logs import LogFilter

    return LogFilter()
