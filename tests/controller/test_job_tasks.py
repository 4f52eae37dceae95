"""The tasks of one job, a byte each."""

from __future__ import annotations

from iris.controller.job_tasks import JobTasks
from iris.domain.states import TaskState
from tests.support.builders import NOW, a_job, a_task


def test_tasks_that_were_never_tried_are_found_between_those_that_were():
    job = a_job(tasks=5000)
    tasks = JobTasks(job)
    tried = (0, 1, 1500, 4998)

    for index in tried:
        tasks.put(a_task(job, index, state=TaskState.SUCCEEDED))

    assert list(tasks.fresh()) == [n for n in range(5000) if n not in tried]
    assert tasks.fresh_count() == 4996


def test_a_pause_that_is_over_shows_in_the_next_look():
    job = a_job(tasks=1)
    tasks = JobTasks(job)
    tasks.put(a_task(job, not_before=NOW + 5, attempts=1))

    before, after = tasks.pending(NOW), tasks.pending(NOW + 5)

    assert (before.ready_count, before.later_count) == (0, 1)
    assert (after.ready_count, after.later_count) == (1, 0)
