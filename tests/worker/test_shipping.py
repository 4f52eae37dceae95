"""Output that the controller refuses, or does not take."""

from __future__ import annotations

import pytest

from iris.domain.protocol import LogBatchAnswer
from iris.errors import Conflict, Unreachable, UsageError
from iris.worker.agent.patience import Patience
from iris.worker.agent.shipping import REFUSED_PAUSE, Shipper
from iris.worker.folders import VmFolder


class FakeLink:
    """A controller that has so many bytes of each attempt, whatever it is sent."""

    def __init__(self, **have: int) -> None:
        self.have = have

    def post(self, path: str, body: object, answer: object) -> LogBatchAnswer:
        return LogBatchAnswer({f"a-{uid}": have for uid, have in self.have.items()})


@pytest.fixture
def ship(tmp_path):
    """Ships two attempts' outputs of ten bytes each; is there more?"""
    folder = VmFolder(tmp_path)
    for uid in ("a-one", "a-two"):
        folder.attempt(uid).mkdir(parents=True)
        folder.output(uid).write_bytes(b"x" * 10)

    def _ship(**have: int) -> bool:
        shipper = Shipper(folder, FakeLink(**have))
        shipper.add("a-one")
        shipper.add("a-two")
        return shipper.ship("w-1")

    return _ship


def test_output_that_is_refused_for_its_shape_is_tried_ever_more_rarely():
    patience = Patience("output", REFUSED_PAUSE)

    pauses = [patience.after(UsageError("chunks: expected array")) for _ in range(12)]

    assert pauses == [*(0.1 * 2**n for n in range(10)), 60.0, 60.0]


def test_a_controller_that_is_back_is_noticed_within_a_second():
    patience = Patience("output", REFUSED_PAUSE)

    pauses = [patience.after(Unreachable("nobody answers")) for _ in range(12)]

    assert max(pauses) == 1.0


def test_output_of_which_nothing_is_taken_is_a_refusal_that_names_it(ship):
    with pytest.raises(Conflict, match="takes nothing of the output of a-one, a-two"):
        ship(one=0, two=0)


def test_what_is_not_taken_holds_nothing_else_up(ship):
    assert ship(one=10, two=0) is False
    assert ship(one=5, two=0) is True
