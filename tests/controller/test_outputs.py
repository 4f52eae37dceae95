"""Outputs on the controller: whole or not at all, for their own people alone."""

from __future__ import annotations

import hashlib
import stat

import pytest

from iris import wire
from iris.controller.output_store import OutputStore
from iris.domain.access import Role
from iris.domain.jobs import Attempt
from iris.domain.pages import Page
from iris.domain.protocol import AttemptReport, OutputsHad, OutputsOffer
from iris.domain.resources import NOTHING
from iris.domain.states import AttemptState
from iris.domain.views import OutputsView
from iris.errors import NotThere, UsageError
from tests.support.desk import Desk, PlayedWorker

CONTENT = bytes(range(256)) * 40
ATTEMPT = Attempt("a-1", "j-1", 3, 0, "w-1", "slice", 0, NOTHING)


def an_offer(content: bytes = CONTENT, **fields: object) -> OutputsOffer:
    sha256 = hashlib.sha256(content).hexdigest()
    return OutputsOffer(len(content), sha256, files=2, **fields)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# The store


def test_what_comes_in_pieces_is_kept_once_it_is_whole(tmp_path):
    store = OutputStore(tmp_path)

    begun = store.offer(ATTEMPT, an_offer())
    pieces = [store.append(ATTEMPT, at, CONTENT[at : at + 4096]) for at in (0, 4096)]
    early = store.offer(ATTEMPT, an_offer())
    store.append(ATTEMPT, 8192, CONTENT[8192:])
    kept = store.offer(ATTEMPT, an_offer())

    assert (begun.have, [had.have for had in pieces]) == (0, [4096, 8192])
    assert (early, kept) == (OutputsHad(8192), OutputsHad(len(CONTENT), kept=True))
    assert store.path("j-1", 3, 0).read_bytes() == CONTENT
    assert store.find("j-1", 3, 0) == an_offer()
    assert files(tmp_path) == ["3-0.json", "3-0.tar.gz"]
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "j-1").iterdir()}
    assert modes == {0o600}
    assert store.offer(ATTEMPT, an_offer()).kept


def test_a_piece_that_begins_elsewhere_or_is_too_long_changes_nothing(tmp_path):
    store = OutputStore(tmp_path)
    store.offer(ATTEMPT, an_offer())

    had = [
        store.append(ATTEMPT, 7, b"later"),
        store.append(ATTEMPT, 0, CONTENT + b"x"),
        store.append(ATTEMPT, 0, CONTENT[:10]),
        store.append(ATTEMPT, 0, CONTENT[:10]),
    ]

    assert [each.have for each in had] == [0, 0, 10, 10]


def test_a_controller_that_comes_back_goes_on_where_it_stood(tmp_path):
    store = OutputStore(tmp_path)
    store.offer(ATTEMPT, an_offer())
    store.append(ATTEMPT, 0, CONTENT[:5000])

    again = OutputStore(tmp_path)

    assert again.offer(ATTEMPT, an_offer()).have == 5000
    again.append(ATTEMPT, 5000, CONTENT[5000:])
    assert again.offer(ATTEMPT, an_offer()).kept


def test_what_arrived_damaged_begins_anew(tmp_path):
    store = OutputStore(tmp_path)
    store.offer(ATTEMPT, an_offer())
    store.append(ATTEMPT, 0, bytes(len(CONTENT)))

    assert store.offer(ATTEMPT, an_offer()) == OutputsHad(0)
    assert files(tmp_path) == []


def test_drafts_of_what_is_not_live_any_more_go(tmp_path):
    store = OutputStore(tmp_path)
    store.offer(ATTEMPT, an_offer())

    OutputStore(tmp_path, is_live=lambda uid: uid == "a-1")
    assert files(tmp_path) == ["a-1.draft"]

    OutputStore(tmp_path, is_live=lambda uid: uid == "a-2")
    assert files(tmp_path) == []


def test_more_than_the_bound_is_refused_whoever_sends_it(tmp_path):
    store = OutputStore(tmp_path, most_bytes=1000)

    with pytest.raises(UsageError, match="outputs of 100000000000 bytes"):
        store.offer(ATTEMPT, OutputsOffer(10**11, "0" * 64))
    with pytest.raises(NotThere):
        store.append(ATTEMPT, 0, b"unasked")

    assert files(tmp_path) == []


def test_a_jobs_outputs_are_counted_and_deleted_and_the_reason_stays(tmp_path):
    store = OutputStore(tmp_path)
    store.offer(ATTEMPT, an_offer())
    store.append(ATTEMPT, 0, CONTENT)
    store.offer(ATTEMPT, an_offer())

    assert list(store.sizes()) == ["j-1"]
    assert store.sizes()["j-1"] > len(CONTENT)
    store.delete("j-1", "deleted after 30 days")

    assert store.sizes() == {}
    assert store.find("j-1", 3, 0) is None
    assert store.gone("j-1") == "deleted after 30 days"
    store.delete("j-1")
    assert files(tmp_path) == []


# The API


def a_running_task(desk: Desk, **spec: object):
    (worker,) = desk.boot()
    job = desk.submit(desk.token(Role.USER, "ann"), **spec)
    uid = desk.place(job, worker)
    worker.beat(AttemptReport(uid, AttemptState.RUNNING))
    return worker, job, uid


def collect(desk: Desk, worker: PlayedWorker, uid: str, offer: OutputsOffer):
    path = f"/v1/attempts/{uid}/outputs"
    desk.ask("POST", path, offer, worker.token)
    desk.ask("PUT", f"{path}?offset=0", CONTENT, worker.token)
    answer = desk.ask("POST", path, offer, worker.token)
    assert answer.json.get("kept"), answer.text


def listed(desk: Desk, job: str, query: str = "", token: str | None = None):
    answer = desk.ask("GET", f"/v1/jobs/{job}/outputs{query}", token=token)
    assert answer.status_code == 200, answer.text
    return wire.decode(answer.data, Page[OutputsView]).items


def test_a_worker_sends_and_the_jobs_user_gets_it(desk: Desk):
    worker, job, uid = a_running_task(desk)
    offer = an_offer(left_out=("a socket",))
    collect(desk, worker, uid, offer)
    worker.beat(AttemptReport(uid, AttemptState.SUCCEEDED, exit_code=0))

    (view,) = listed(desk, job.name)
    path = f"/v1/jobs/{job.name}/tasks/0/attempts/0/outputs"
    pieces = [desk.ask("GET", f"{path}?offset={at}").data for at in (0, 100, 10**7)]

    assert (view.task, view.attempt, view.size_bytes) == (0, 0, len(CONTENT))
    assert (view.sha256, view.left_out, view.missing) == (
        *(offer.sha256, ("a socket",)),
        "",
    )
    assert pieces == [CONTENT, CONTENT[100:], b""]


def test_only_owners_operators_and_the_parent_get_outputs(desk: Desk):
    worker, job, uid = a_running_task(desk)
    collect(desk, worker, uid, an_offer())
    paths = [
        f"/v1/jobs/{job.name}/outputs",
        f"/v1/jobs/{job.name}/tasks/0/attempts/0/outputs",
    ]
    strangers = [
        desk.token(Role.USER, "bob"),
        desk.token(Role.VIEWER, "ann"),
        worker.token,
    ]

    seen = {
        desk.ask("GET", path, token=token).status_code
        for path in paths
        for token in strangers
    }

    assert seen == {403}
    assert desk.ask("GET", paths[0]).status_code == 200
    assert desk.ask("GET", paths[0], token="").status_code == 401


def test_a_worker_sends_for_its_own_live_attempts_only(desk: Desk):
    worker, job, uid = a_running_task(desk)
    (other,) = desk.boot()
    path = f"/v1/attempts/{uid}/outputs"

    of_another = desk.ask("POST", path, an_offer(), other.token)
    of_a_person = desk.ask("POST", path, an_offer())
    begun = desk.ask("POST", path, an_offer(), worker.token)
    worker.beat(AttemptReport(uid, AttemptState.FAILED, exit_code=1))
    too_late = desk.ask("PUT", path, CONTENT, worker.token)

    assert (of_another.status_code, of_a_person.status_code) == (404, 403)
    assert (begun.status_code, too_late.status_code) == (200, 404)
    assert files(desk.folder / "outputs") == []  # nor is a half one kept
    (view,) = listed(desk, job.name)
    assert view.missing == "it wrote nothing to IRIS_OUTPUT_DIR"


def test_where_there_is_nothing_the_reason_is_told(desk: Desk):
    worker, job, uid = a_running_task(desk, tasks=3)
    lost = desk.place(job, worker, task=1)
    reasons = {view.task: view.missing for view in listed(desk, job.name)}
    assert reasons == {
        0: "it has not ended: it is running",
        1: "it has not ended: it is assigned",
        2: "no attempt of it began",
    }

    missing = "it left 50.0 GB, at most 1.0 GB are kept"
    ended = AttemptReport(uid, AttemptState.FAILED, outputs_missing=missing)
    gone = AttemptReport(lost, AttemptState.LOST, detail="its VM went")
    worker.beat(ended, gone)

    reasons = {view.task: view.missing for view in listed(desk, job.name)}
    assert reasons[0] == missing
    assert reasons[1] == "it was lost before any were collected: its VM went"
    assert listed(desk, job.name, "?task=0&attempt=4")[0].missing == (
        "there is no attempt 4, the last one is 0"
    )
    assert desk.ask("GET", f"/v1/jobs/{job.name}/outputs?task=9").status_code == 404
    desk.parts.outputs.delete(job.uid, "deleted after 30 days")
    assert listed(desk, job.name, "?task=0")[0].missing == "deleted after 30 days"
