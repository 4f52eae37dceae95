"""Whose an end is: the user's, or nobody's."""

from __future__ import annotations

import pytest

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptReport
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, JobState
from tests.support.fleet import CPU, Fleet, ran


def _budgets_after(cause: EndCause, state: AttemptState, *, is_stopped: bool):
    """Failures and losses that an end cost its task."""
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=Resources(cpus=1), max_retries=5)
    (uid,) = fleet.place(job, worker)
    fleet.beat(worker, [ran(uid)])
    if is_stopped:
        fleet.state.drain_cluster("ops")
    fleet.beat(worker, [AttemptReport(uid, state, exit_code=137, cause=cause)])
    with fleet.state.reading() as tables:
        task = tables.tasks[job.uid].task(0)
    return task.failures, task.losses


@pytest.mark.parametrize("is_stopped", [False, True])
def test_memory_that_ran_out_is_the_users_whenever_it_did(is_stopped):
    cause, state = EndCause.OUT_OF_MEMORY, AttemptState.FAILED

    assert _budgets_after(cause, state, is_stopped=is_stopped) == (1, 0)


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (EndCause.EXITED, AttemptState.FAILED),  # a program that heard the signal
        (EndCause.SIGNALLED, AttemptState.FAILED),
        (EndCause.STOPPED, AttemptState.CANCELLED),
    ],
)
def test_an_end_by_our_own_signal_is_never_the_users(cause, state):
    assert _budgets_after(cause, state, is_stopped=True) == (0, 1)


def test_memory_that_ran_out_fails_a_job_without_retries_at_once():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(resources=Resources(cpus=1))
    (uid,) = fleet.place(job, worker)

    cause = EndCause.OUT_OF_MEMORY
    report = AttemptReport(uid, AttemptState.FAILED, exit_code=137, cause=cause)
    fleet.beat(worker, [report])

    kept = fleet.journal.job(job.uid)
    assert kept.final_state is JobState.FAILED
    assert "out of memory" in kept.because
