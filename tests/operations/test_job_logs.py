"""What a job prints, as a person asks for it."""

from __future__ import annotations

import pytest

from iris.controller.logs import Piece
from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from iris.domain.views import JobView
from iris.errors import UsageError
from iris.operations import job_logs
from iris.operations.job_logs import Wanted
from iris.operations.jobs import last_lines
from tests.support.desk import Desk


@pytest.fixture
def job(desk: Desk) -> JobView:
    """One with two tasks that printed by turns, the last line a minute later."""
    job = desk.submit(tasks=2)
    begun: dict[int, int] = {}

    def says(task: int, content: bytes) -> None:
        piece = Piece(task, 0, begun.get(task, 0), content)
        begun[task] = desk.parts.logs.append(job.uid, piece, desk.clock.now())

    says(0, b"loss 0.9\nlo")
    says(1, b"hello\n")
    says(0, b"ss 0.8\n")
    desk.clock.advance(60)
    says(1, b"l\xffss 0.7")
    return job


def said(session, job, *, follow: bool = False, **wanted: object) -> bytes:
    read = job_logs.follow if follow else job_logs.read
    return b"".join(p.content for p in read(session, job, Wanted(**wanted)))


def test_lines_are_joined_whole_before_they_are_looked_at(session, job):
    assert said(session, job, grep=r"^loss") == b"loss 0.9\nloss 0.8\n"
    assert said(session, job, grep="ss 0.[78]") == b"loss 0.8\nl\xffss 0.7\n"
    assert said(session, job, grep="nothing") == b""


def test_each_line_has_its_tasks_name_on_request(session, job):
    assert said(session, job, prefix=True) == (
        b"task 0 | loss 0.9\ntask 1 | hello\ntask 0 | loss 0.8\ntask 1 | l\xffss 0.7\n"
    )
    assert said(session, job, prefix=True, task=0, grep="9") == b"task 0 | loss 0.9\n"


def test_since_now_is_nothing_but_what_comes_from_now_on(desk, session, job):
    assert said(session, job, since="0s") == b""
    assert said(session, job, since="0s", task=1, grep=".") == b""

    desk.clock.advance(1)
    assert said(session, job, since="0s") == b""
    assert said(session, job, since="61s") != b""

    desk.ask("POST", f"/v1/jobs/{job.name}:cancel")
    assert said(session, job, since="0s", follow=True) == b""


def test_what_came_of_late_is_found_by_the_controllers_clock(desk, session, job):
    assert said(session, job, since="30s") == b"l\xffss 0.7"
    assert said(session, job, since="2m", task=1) == b"hello\nl\xffss 0.7"

    desk.ask("POST", f"/v1/jobs/{job.name}:cancel")
    assert said(session, job, since="30s", follow=True) == b"l\xffss 0.7"


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [
        ("--grep: 'a.' is no regular expression", Wanted(grep="a[")),
        ("--grep: .* is no regular expression", Wanted(grep="a{99999999999}")),
        ("--since: expected a duration", Wanted(since="soon")),
    ],
)
def test_what_cannot_be_looked_for_is_refused_before_anybody_is_asked(flag, wanted):
    with pytest.raises(UsageError, match=flag):
        job_logs.require_sound(wanted)


def test_the_last_lines_of_the_cause_are_found_behind_any_amount(desk, session):
    (worker,) = desk.boot()
    job = desk.submit()
    uid = desk.place(job, worker)
    lines = [f"{number:0100}" for number in range(5000)]
    content = "\n".join(lines).encode()
    desk.parts.logs.append(job.uid, Piece(0, 0, 0, content), desk.clock.now())
    ended = AttemptReport(uid, AttemptState.FAILED, 3, log_bytes=len(content))
    worker.beat(ended)

    with session.controller() as client:
        found = client.job(job.uid)

    assert last_lines(session, found) == tuple(lines[-10:])


@pytest.mark.parametrize("query", ["tail=9", "task=0&attempt=0&tail=-1", "since=-1"])
def test_an_end_of_nothing_is_refused(desk, job, query):
    answer = desk.ask("GET", f"/v1/jobs/{job.name}/log?{query}")

    assert answer.status_code == 400
