"""How the end of a job is told, and where a person is sent to look."""

from __future__ import annotations

import pytest

from iris.domain.jobs import JobSpec
from iris.domain.states import JobState, TaskState
from iris.domain.views import JobView
from iris.errors import FellShort
from iris.operations.jobs import require_success

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
