"""How the end of a job is told, and where a person is sent to look."""

from __future__ import annotations

import pytest

from iris.domain.jobs import JobSpec
from iris.domain.states import JobState, TaskState
from iris.domain.views import JobView
from iris.errors import FellShort, NotThere
from iris.operations.jobs import job_and_task, report, require_success
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
        "Of its tasks 2 failed. "
        "None was ever attempted: `inv job.status train` says why."
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
