"""How the end of a job is told, and where a person is sent to look."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from iris.client import Client
from iris.domain.jobs import JobSpec
from iris.domain.pages import Admission
from iris.domain.states import JobState, TaskState
from iris.domain.views import JobView
from iris.errors import (
    Conflict,
    FellShort,
    JobRefused,
    NoCluster,
    NotThere,
    UsageError,
)
from iris.operations.job_words import Wanted
from iris.operations.jobs import (
    foresee,
    job_and_task,
    report,
    require_success,
    submit,
)
from tests.support.desk import Desk

LATE = "it did not start within 60 s: there is no worker at all"


def hint_of(state: JobState, because: str, blamed_attempt: int = -1) -> str:
    """What `job.wait` advises at the end of a job of two tasks."""
    view = JobView(
        *("j-1", "train", "ada", state, 0.0, 9.0, {TaskState(state): 2}, because),
        JobSpec(("true",), tasks=2),
        blamed_attempt=blamed_attempt,
    )
    with pytest.raises(FellShort, match=because) as raised:
        require_success(view)
    return raised.value.hint


def test_a_job_that_never_started_sends_nobody_to_its_empty_log():
    assert hint_of(JobState.FAILED, LATE) == (
        "Of its tasks 2 failed. None of them ran: `inv job.status train` says why."
    )


def test_a_job_that_ran_and_failed_leads_to_its_log():
    assert hint_of(JobState.FAILED, "task 1: exit status 3", blamed_attempt=0) == (
        "Of its tasks 2 failed. `inv job.logs train` shows the output."
    )


def test_of_a_cancelled_job_both_are_named():
    hint = hint_of(JobState.CANCELLED, "no need")

    assert "`inv job.status train` says what became of each" in hint
    assert "`inv job.logs train` shows what ran" in hint


def test_the_attempts_of_any_task_are_shown_when_it_is_named(desk: Desk, session):
    (worker,) = desk.boot()
    job = desk.submit(name="train", tasks=3)
    desk.place(job, worker, 1)

    one, all_of_it = report(session, "train/1"), report(session, "train")
    by_uid = report(session, f"{job.uid}/1")

    assert [task.index for task in one.tasks] == [1]
    assert [(each.task, each.number) for each in one.attempts] == [(1, 0)]
    assert by_uid.attempts == one.attempts
    assert (len(all_of_it.tasks), all_of_it.attempts) == (3, ())


def test_a_task_that_is_not_there_is_named_with_those_that_are(desk: Desk, session):
    desk.submit(name="train", tasks=3)

    with pytest.raises(NotThere, match=r"no task 3: its tasks are 0 to 2$") as refused:
        report(session, "train/3")

    assert "`inv job.status train`" in refused.value.hint


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("a", ("a", None)),
        ("a/0", ("a", 0)),
        ("a/b", ("a/b", None)),
        ("/1", ("/1", None)),
    ],
)
def test_a_number_behind_the_name_is_a_task(named, told):
    assert job_and_task(named) == told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print(7)")
    return tmp_path / "code"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"secret": ("NOPE",)}, "the cluster has no secret NOPE"),
        ({"after": ("nosuch",)}, "there is no job 'nosuch' to run after"),
        ({"same_name": "refuse"}, "job live of operator is live"),
    ],
)
def test_what_the_cluster_refuses_is_refused_before_the_upload_and_by_a_dry_run(
    desk: Desk, session, folder, flags, words
):
    desk.submit(name="live")
    wanted, said = Wanted(("true",), name="live", **flags), []

    for act in (submit, foresee):
        with pytest.raises((JobRefused, Conflict), match=words):
            act(session, wanted, folder, said.append)

    assert said == []
    assert not any((desk.folder / "bundles").iterdir())


def test_a_dry_run_reads_what_is_typed_and_asks_without_leaving_anything(
    desk: Desk, session, folder, monkeypatch
):
    monkeypatch.setenv("MINE", "canary")
    before = desk.state.seq
    wanted = Wanted(("true",), name="new", secret=("KEY=env:MINE",))

    seen = foresee(session, wanted, folder, print)

    assert seen.answer == Admission("new")
    assert desk.state.seq == before
    assert [p for p in desk.folder.rglob("*") if p.parent.name == "jobs"] == []
    with pytest.raises(UsageError, match="has no variable NO_ONE"):
        foresee(session, replace(wanted, secret=("K=env:NO_ONE",)), folder, print)


def test_a_dry_run_without_a_controller_says_that_none_was_asked(desk: Desk, session):
    def nobody(patience: float) -> Client:
        raise NoCluster("cluster 'x' has no controller")

    said: list[str] = []
    session.controller = nobody

    seen = foresee(session, Wanted(("true",), secret=("NOPE",)), None, said.append)

    assert (seen.answer, len(seen.places)) == (None, 1)
    assert said == [
        "no controller says whether it would accept this: cluster 'x' has no controller"
    ]


def test_a_controller_that_does_not_know_the_question_yet_holds_nobody_back(session):
    class Older(Client):
        def check(self, *words: object) -> Admission:
            raise NotThere("there is no route /v1/jobs:check")

    session.controller = lambda patience=1.0: Older(session.record, "")

    assert foresee(session, Wanted(("true",)), None, print).answer is None


def test_a_dry_run_of_a_cluster_that_never_ran_asks_nobody(session):
    session.record = session.controller = None

    assert foresee(session, Wanted(("true",)), None, print).answer is None
