"""Collecting ends, whatever the controller does: in time, and with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.clock import VirtualClock
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec, OutputsHad, OutputsOffer
from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.errors import NotThere, StoreFailed
from iris.worker.agent.caches import Caches
from iris.worker.agent.collecting import Collector
from iris.worker.agent.desk import Desk
from iris.worker.folders import VmFolder
from iris.worker.messages import Known
from tests.support.eventually import eventually


class SickController:
    """Takes nothing, or wants nothing."""

    def __init__(self) -> None:
        self.answer: Exception = StoreFailed("the disk is full")
        self.asked = 0

    def post(self, _path: str, _offer: OutputsOffer, _kind: type) -> OutputsHad:
        self.asked += 1
        raise self.answer


class Side:
    """A worker's side with one attempt that left a file."""

    def __init__(self, root: Path) -> None:
        self.folder = VmFolder(root)
        self.folder.outputs("a-1").mkdir(parents=True)
        (self.folder.outputs("a-1") / "model").write_text("weights")
        self.folder.output("a-1").touch()
        self.clock, self.desk = VirtualClock(), Desk()
        self.controller = SickController()
        caches = Caches(self.folder.shared, 10**9, self.desk)
        self.collector = Collector(
            self.folder, lambda: self.controller, self.clock, caches, lambda: None
        )

    def end(self, cause: EndCause = EndCause.EXITED) -> None:
        known = Known(
            AttemptSpec(
                *("a-1", "job", "j-1", 0, 1, 0, ("true",), Resources(), "s", 0, ())
            ),
            started_at=self.clock.now(),
            ended_at=self.clock.now() + 1e-3,
            exit_code=0,
            cause=cause,
        )
        with self.desk.lock:
            self.collector.begin(known)
            self.desk.take_known(known)
        eventually(lambda: self.controller.asked)

    @property
    def is_over(self) -> bool:
        return not self.collector.is_pending("a-1")


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


def test_a_success_whose_outputs_nobody_takes_is_lost_with_the_reason(side):
    side.end()
    side.clock.advance(600.0)
    assert not side.is_over
    side.clock.advance(110.0)

    eventually(lambda: side.is_over)

    held = side.desk.find("a-1")
    assert (held.state, held.cause) == (AttemptState.LOST, EndCause.OUTPUTS_LOST)
    assert held.detail == (
        "its outputs could not be collected: "
        "not done 710 s after the end: the disk is full"
    )
    assert side.folder.output("a-1").read_text() == f"iris: {held.detail}\n"
    assert list(side.folder.collected.iterdir()) == []


def test_where_its_end_was_wanted_it_stays_what_it_was_and_waits_less(side):
    side.end(EndCause.STOPPED)
    side.clock.advance(130.0)

    eventually(lambda: side.is_over)

    held = side.desk.find("a-1")
    assert (held.state, held.detail) == (AttemptState.CANCELLED, "")
    assert "the disk is full" in held.outputs_missing


def test_a_stop_that_comes_meanwhile_makes_it_hurry(side):
    side.end()
    side.collector.hurry("a-1")
    side.clock.advance(130.0)

    eventually(lambda: side.is_over)


def test_an_attempt_that_the_controller_gave_up_is_not_sent_on(side):
    side.controller.answer = NotThere("attempt a-1 has ended")
    side.end()

    eventually(lambda: side.is_over)

    held = side.desk.find("a-1")
    assert (held.state, held.outputs_missing) == (AttemptState.SUCCEEDED, "")
    assert side.controller.asked == 1
