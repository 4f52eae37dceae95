"""Output that the controller refuses, or does not take."""

from __future__ import annotations

import pytest

from iris.domain.protocol import LogBatch, LogBatchAnswer, LogChunk
from iris.errors import IrisError, Unreachable, UsageError
from iris.worker.agent.patience import Patience
from iris.worker.agent.shipping import REFUSED_PAUSE, Shipper
from iris.worker.folders import VmFolder
from tests.support.eventually import eventually


class FakeLink:
    """A controller that has so many bytes of each attempt, whatever it is sent."""

    def __init__(self, **have: int) -> None:
        self.have = have

    def post(self, path: str, body: object, answer: object) -> LogBatchAnswer:
        return LogBatchAnswer({f"a-{uid}": have for uid, have in self.have.items()})


class PickyLink:
    """A controller that refuses every batch in which something is of `a-one`."""

    def __init__(self, error: IrisError) -> None:
        self.error = error
        self.taken: list[LogChunk] = []

    def post(self, path: str, body: LogBatch, answer: object) -> LogBatchAnswer:
        if any(c.attempt_uid == "a-one" and c.content for c in body.chunks):
            raise self.error
        self.taken += body.chunks
        ends = {c.attempt_uid: c.offset + len(c.content) for c in body.chunks}
        refused = {c.attempt_uid: c.refused for c in body.chunks}
        return LogBatchAnswer({uid: end + refused[uid] for uid, end in ends.items()})


@pytest.fixture
def shipper_of(tmp_path):
    """Ships two attempts' outputs of ten bytes each, by a link."""
    folder = VmFolder(tmp_path)
    for uid in ("a-one", "a-two"):
        folder.attempt(uid).mkdir(parents=True)
        folder.output(uid).write_bytes(b"x" * 10)

    def _make(link: FakeLink | PickyLink) -> Shipper:
        shipper = Shipper(folder, link)
        shipper.add("a-one")
        shipper.add("a-two")
        return shipper

    return _make


def test_output_that_is_refused_for_its_shape_is_tried_ever_more_rarely():
    patience = Patience("output", REFUSED_PAUSE)

    pauses = [patience.after(UsageError("chunks: expected array")) for _ in range(12)]

    assert pauses == [*(0.1 * 2**n for n in range(10)), 60.0, 60.0]


def test_a_controller_that_is_back_is_noticed_within_a_second():
    patience = Patience("output", REFUSED_PAUSE)

    pauses = [patience.after(Unreachable("nobody answers")) for _ in range(12)]

    assert max(pauses) == 1.0


def test_output_of_which_nothing_is_taken_is_named_with_the_reason(shipper_of, caplog):
    shipper = shipper_of(FakeLink(one=0, two=0))

    assert shipper.ship("w-1") is False

    words = "the controller takes nothing of it"
    assert shipper.why_held("a-one") == words
    assert f'output of a-two waits because="{words}"' in caplog.text


def test_what_is_not_taken_holds_nothing_else_up(shipper_of):
    assert shipper_of(FakeLink(one=10, two=0)).ship("w-1") is False
    assert shipper_of(FakeLink(one=5, two=0)).ship("w-1") is True


def test_a_batch_that_is_refused_holds_nothing_else_up(shipper_of):
    link = PickyLink(IrisError("a fault of its own"))
    shipper = shipper_of(link)

    shipper.ship("w-1")

    assert link.taken == [LogChunk("a-two", 0, b"x" * 10)]
    assert (shipper.left("a-one"), shipper.left("a-two")) == (10, 0)
    assert shipper.why_held("a-one") == "a fault of its own"


def test_an_end_that_waits_for_its_log_says_why(vm):
    vm.controller.refuses_logs = "cannot write the log"
    vm.controller.run("a-1", "sh", "-c", "head -c 100000 /dev/zero")
    words = "it has ended, and its log waits: cannot write the log"
    eventually(lambda: vm.controller.detail("a-1") == words)

    vm.controller.refuses_logs = ""

    assert vm.ended("a-1").detail == ""
    assert len(vm.controller.output("a-1")) == 100000


def test_output_that_is_refused_for_what_it_is_is_said_in_its_place(shipper_of, caplog):
    link = PickyLink(UsageError("a body here has 8 bytes at most"))
    shipper = shipper_of(link)

    shipper.ship("w-1")

    assert link.taken == [
        LogChunk("a-one", 0, b"", refused=10),
        LogChunk("a-two", 0, b"x" * 10),
    ]
    assert (shipper.left("a-one"), shipper.left("a-two")) == (0, 0)
    assert 'because="a body here has 8 bytes at most"' in caplog.text
