"""Workers over HTTP: they join once, and an end counts when its log is whole."""

from __future__ import annotations

import base64
import hashlib

import msgspec
import pytest

from iris.domain.protocol import AttemptReport, LogBatch, LogChunk
from iris.domain.states import AttemptState
from tests.support.desk import Desk
from tests.support.fleet import TPU

SUCCEEDED = AttemptState.SUCCEEDED


def test_a_slice_is_ready_when_all_of_its_workers_have_registered(desk: Desk):
    desk.boot(TPU)

    (slice_,) = desk.ask("GET", "/v1/slices").json["items"]
    workers = desk.ask("GET", "/v1/workers").json["items"]

    assert (slice_["state"], slice_["registered"]) == ("ready", 4)
    assert slice_["next_step"]
    assert [worker["index"] for worker in workers] == [0, 1, 2, 3]


def test_phases_of_a_boot_come_with_the_join_token_or_the_workers_own(desk: Desk):
    (worker,) = desk.boot()
    name = worker.row.slice_name
    report = {"slice_name": name, "index": 0, "phase": "pulling", "at": 1.0}
    elsewhere = report | {"index": 1}
    path = f"/v1/slices/{name}:phase"

    by_join = desk.ask("POST", path, report, worker.join_token)
    by_own = desk.ask("POST", path, report | {"phase": "up"}, worker.token)
    wrong = desk.ask("POST", path, elsewhere, worker.join_token)
    boot = desk.ask("GET", f"/v1/slices/{name}/boot").json

    assert (by_join.status_code, by_own.status_code) == (200, 200)
    assert wrong.status_code == 403
    assert [phase["phase"] for phase in boot["phases"]] == ["pulling", "up"]


def test_an_end_whose_output_is_not_all_here_is_not_an_end_yet(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    worker.beat(AttemptReport(uid, AttemptState.RUNNING))
    end = AttemptReport(uid, SUCCEEDED, exit_code=0, log_bytes=6)

    early = worker.beat(end)
    shown_early = desk.ask("GET", f"/v1/jobs/{job.uid}").json["state"]
    batch = LogBatch((LogChunk(uid, 0, b"hello\n"),))
    kept = desk.ask("POST", f"/v1/workers/{worker.uid}/logs", batch, worker.token).json
    late = worker.beat(end)

    assert [(d.uid, d.log_have) for d in early.attempts] == [(uid, 0)]
    assert shown_early == "running"
    assert kept["have"] == {uid: 6}
    assert late.attempts == ()
    assert desk.ask("GET", f"/v1/jobs/{job.uid}").json["state"] == "succeeded"


def test_the_last_output_may_ride_along_with_the_end(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)

    worker.beat(AttemptReport(uid, SUCCEEDED, exit_code=0, log_bytes=3, log=b"bye"))
    log = desk.ask("GET", f"/v1/jobs/{job.name}/log").json

    assert log["complete"] is True
    assert [line["content"] for line in log["items"]] == ["Ynll"]
    assert desk.ask("GET", f"/v1/jobs/{job.uid}").json["state"] == "succeeded"


def test_a_worker_cannot_write_the_log_of_an_attempt_elsewhere(desk: Desk):
    (mine,), (other,) = desk.boot(), desk.boot()
    job = desk.submit()
    uid = desk.place(job, mine)
    batch = LogBatch((LogChunk(uid, 0, b"forged"),))

    answer = desk.ask("POST", f"/v1/workers/{other.uid}/logs", batch, other.token)

    assert answer.json["have"] == {uid: 6}
    assert desk.parts.logs.have(job.uid, 0, 0) == 0
    assert desk.ask("GET", f"/v1/jobs/{job.name}/log").json["items"] == []


def test_a_job_whose_log_cannot_be_kept_holds_up_no_other_of_its_worker(desk: Desk):
    (worker,) = desk.boot()
    sick, well = desk.submit(name="sick"), desk.submit(name="well")
    uids = [desk.place(job, worker) for job in (sick, well)]
    worker.beat(*(AttemptReport(uid, AttemptState.RUNNING) for uid in uids))
    in_the_way = desk.folder / "logs" / f"{sick.uid}.log"
    in_the_way.mkdir()
    batch = LogBatch(tuple(LogChunk(uid, 0, b"hello\n") for uid in uids))

    kept = desk.ask("POST", f"/v1/workers/{worker.uid}/logs", batch, worker.token).json
    ends = [AttemptReport(uid, SUCCEEDED, exit_code=0, log_bytes=6) for uid in uids]
    early = worker.beat(*ends)
    attempts = desk.ask("GET", "/v1/jobs/sick/tasks/0/attempts").json["items"]
    in_the_way.rmdir()
    worker.beat(msgspec.structs.replace(ends[0], log=b"hello\n"))

    words = f"cannot read the log of job {sick.uid}: Is a directory"
    assert (kept["have"], kept["refused"]) == ({uids[1]: 6}, {uids[0]: words})
    assert [(d.uid, d.want, d.log_have) for d in early.attempts] == [
        (uids[0], "run", -1)
    ]
    assert attempts[0]["detail"] == f"its log is not kept: {words}"
    for job in (sick, well):
        assert desk.ask("GET", f"/v1/jobs/{job.uid}").json["state"] == "succeeded"


def test_what_was_refused_is_said_where_it_would_have_been(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    pieces = (
        LogChunk(uid, 0, b"one\n"),
        LogChunk(uid, 4, b"", refused=2000),
        LogChunk(uid, 4, b"", refused=2000),  # the answer to the former was lost
        LogChunk(uid, 2004, b"two\n"),
    )

    for piece in pieces:
        path = f"/v1/workers/{worker.uid}/logs"
        kept = desk.ask("POST", path, LogBatch((piece,)), worker.token).json
    log = desk.ask("GET", f"/v1/jobs/{job.name}/log").json

    gone = (
        b"\niris: 2 kB of this log are gone: the controller refused it when it came\n"
    )
    found = [base64.b64decode(line["content"]) for line in log["items"]]
    assert kept["have"] == {uid: 2008}
    assert found == [b"one\n", gone, b"two\n"]


def test_a_log_is_complete_only_at_its_end_and_after_the_jobs(desk: Desk):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    batch = LogBatch((LogChunk(uid, 0, b"one\n"),))
    desk.ask("POST", f"/v1/workers/{worker.uid}/logs", batch, worker.token)

    running = desk.ask("GET", f"/v1/jobs/{job.name}/log").json
    worker.beat(AttemptReport(uid, SUCCEEDED, exit_code=0, log_bytes=4))
    rest = desk.ask("GET", f"/v1/jobs/{job.name}/log?cursor={running['cursor']}").json

    assert (len(running["items"]), running["complete"]) == (1, False)
    assert (rest["items"], rest["complete"]) == ([], True)


def test_bundles_are_kept_under_their_hash_and_nothing_else(desk: Desk):
    (worker,) = desk.boot()
    content = b"packed" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"/v1/bundles/{sha256}"

    absent = desk.ask("HEAD", path)
    kept = desk.ask("PUT", path, content)
    again = desk.ask("PUT", path, content)
    wrong = desk.ask("PUT", f"/v1/bundles/{'0' * 64}", content)
    there = desk.ask("HEAD", path, token=worker.token)
    got = desk.ask("GET", path, token=worker.token)

    assert absent.status_code == 404
    assert kept.json == again.json == {"sha256": sha256, "size_bytes": len(content)}
    assert wrong.status_code == 400
    assert there.status_code == 200
    assert got.data == content
    assert len(list((desk.folder / "bundles").iterdir())) == 1


def test_a_drained_worker_takes_its_slice_along(desk: Desk):
    (worker,) = desk.boot()

    answer = desk.ask("POST", f"/v1/workers/{worker.uid}:drain")

    assert answer.json["draining"] == "drained by operator"
    (slice_,) = desk.ask("GET", "/v1/slices").json["items"]
    assert slice_["state"] == "draining"


def test_a_drain_with_a_deadline_says_by_when_the_slice_goes(desk: Desk):
    (worker,) = desk.boot()
    uid = desk.place(desk.submit(), worker)

    asked = {"deadline": 600}
    desk.ask("POST", f"/v1/workers/{worker.uid}:drain", asked)

    (wanted,) = worker.beat(AttemptReport(uid, AttemptState.RUNNING)).attempts
    assert (wanted.want, wanted.cause, wanted.grace) == ("stop", "drained", 600.0)
    (slice_,) = desk.ask("GET", "/v1/slices").json["items"]
    assert slice_["next_step"].endswith("which is ended in 600 s at the latest")
    why = desk.ask("GET", "/v1/jobs/job/why").json
    assert why["because"].startswith("1 running: on ")
    assert why["because"].endswith("/0: asked to end: drained by operator")


@pytest.mark.parametrize("deadline", [-1, 1e9, "soon"])
def test_a_drain_refuses_a_deadline_that_is_none(desk: Desk, deadline: object):
    (worker,) = desk.boot()

    asked = {"deadline": deadline}
    answers = [
        desk.ask("POST", path, asked)
        for path in (f"/v1/workers/{worker.uid}:drain", "/v1/cluster:drain")
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert all(a.json["detail"].startswith("deadline: expected") for a in answers)
    (slice_,) = desk.ask("GET", "/v1/slices").json["items"]
    assert slice_["state"] == "ready"


def test_a_drained_cluster_says_so_until_it_is_resumed(desk: Desk):
    drained = desk.ask("POST", "/v1/cluster:drain").json
    resumed = desk.ask("POST", "/v1/cluster:resume").json

    assert "operator" in drained["draining"]
    assert resumed["draining"] == ""


def test_the_autoscaler_shows_every_group(desk: Desk):
    desk.boot()

    groups = desk.ask("GET", "/v1/autoscaler").json["groups"]

    assert [(g["name"], g["ready"]) for g in groups] == [("cpu", 1), ("tpu", 0)]


def test_events_are_paged_by_sequence_number(desk: Desk):
    job = desk.submit(name="mine")
    desk.submit(name="other")
    desk.ask("POST", f"/v1/jobs/{job.name}:cancel")

    first = desk.ask("GET", "/v1/events?job=mine&limit=1").json
    rest = desk.ask("GET", f"/v1/events?job=mine&after={first['next_page']}").json
    newest = desk.ask("GET", "/v1/events?newest=true&limit=1").json

    kinds = [event["kind"] for event in first["items"] + rest["items"]]
    assert kinds[0] == "job submitted"
    assert set(kinds[1:]) == {"job cancelled"}
    assert newest["items"][0] == rest["items"][-1]


def test_the_controllers_log_is_served_by_its_tail_and_from_a_cursor(desk: Desk):
    file = desk.parts.log_file
    file.write_text("one\ntwo\nthree\nhalf a li")

    tail = desk.ask("GET", "/v1/controller/log?lines=2").json
    with file.open("a") as log:
        log.write("ne\n")
    more = desk.ask("GET", f"/v1/controller/log?since={tail['cursor']}").json

    assert tail["lines"] == ["two", "three"]
    assert more["lines"] == ["half a line"]
