"""What two reasons to end make of one end."""

from __future__ import annotations

import pytest

from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec
from iris.domain.resources import NOTHING
from iris.worker.endings import Running, ended
from iris.worker.messages import Known, Start, Stop

NOW = 1000.0
DRAIN = Stop("a", "drained by ops", EndCause.DRAINED, grace=600.0)
CANCEL = Stop("a", "cancelled by ada")
NOTICE = Stop("a", "the cloud preempts", EndCause.PREEMPTED, grace=25.0)
MEMORY = Stop("a", "used 2 MB of 1 MB", EndCause.OUT_OF_MEMORY, grace=0.0)
SPEC = AttemptSpec("a", "j", "j-1", 0, 1, 0, ("true",), NOTHING, "s", 0, ())


def _ended_after(*stops: Stop, status: int) -> tuple[Known, float]:
    """How it ends with that status, and when it would have been killed."""
    start = Start("a", ("true",), {}, 0, run_timeout=0.0, stop_grace=10.0)
    running = Running(start, pid=1, started_at=0.0)
    for stop in stops:
        running.ask(stop, NOW)
    running.status = status
    return ended(Known(SPEC), running, NOW), running.kill_at


@pytest.mark.parametrize(
    ("stops", "status", "cause", "kill_in"),
    [
        ((DRAIN,), 0, EndCause.EXITED, 600.0),  # it was done by then
        ((DRAIN,), 9, EndCause.DRAINED, 600.0),
        ((DRAIN,), -9, EndCause.DRAINED, 600.0),
        ((CANCEL,), 0, EndCause.STOPPED, 10.0),
        ((DRAIN, CANCEL), 0, EndCause.STOPPED, 10.0),  # a person goes before a machine
        ((CANCEL, DRAIN), 0, EndCause.STOPPED, 10.0),
        ((DRAIN, NOTICE), 9, EndCause.PREEMPTED, 25.0),
        ((NOTICE, DRAIN), 9, EndCause.PREEMPTED, 25.0),  # the nearest deadline stands
        ((DRAIN, MEMORY), -9, EndCause.OUT_OF_MEMORY, 0.0),  # the user's, even then
    ],
)
def test_the_nearest_deadline_stands_and_a_person_goes_before_a_machine(
    stops, status, cause, kill_in
):
    known, kill_at = _ended_after(*stops, status=status)

    assert (known.cause, kill_at - NOW) == (cause, kill_in)


def test_an_attempt_that_was_done_before_its_machine_went_has_no_complaint():
    known, _ = _ended_after(DRAIN, status=0)

    assert (known.exit_code, known.detail) == (0, "")
