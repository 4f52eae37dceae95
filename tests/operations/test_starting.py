from __future__ import annotations

import pytest

from iris.clock import VirtualClock
from iris.errors import FellShort, NotFound, PortTaken
from iris.operations.starting import wait_for_controller, why_it_ended
from iris.providers.contract import ControllerMachine, Phase
from iris.session import Session

ENDED = (
    "2026-01-01T00:00:00.000Z ERROR controller ended code=port-taken "
    'because="cannot listen on 127.0.0.1:7" hint="Set another `controller/port`."\n'
)


class Sky:
    """A provider whose controller is dead and left this log."""

    def __init__(self, log=None):
        self.log = log

    def read_controller_file(self, name):
        if self.log is None:
            raise NotFound(name)
        return self.log.encode()

    def list_controllers(self):
        return (ControllerMachine("proof-controller", "c", "", Phase.STOPPED, 1.0),)


class Proof:
    """A cluster's name."""

    name = "proof"


def a_session(log):
    return Session(
        config=Proof(),
        config_text="",
        config_path="",
        record=None,
        clock=VirtualClock(),
        provider=Sky(log),
    )


def test_a_controller_says_by_its_last_line_why_it_ended():
    error = why_it_ended(a_session(f"started\n{ENDED}"))

    assert isinstance(error, PortTaken)
    assert error.message == "the controller ended: cannot listen on 127.0.0.1:7"
    assert error.hint == "Set another `controller/port`."


def test_an_end_of_last_time_explains_nothing():
    error = why_it_ended(a_session(f"{ENDED}started again\n"), log_from=len(ENDED))

    assert isinstance(error, FellShort)
    assert "started again" in error.message


@pytest.mark.parametrize("log", [None, "", "\n\n"])
def test_a_controller_without_a_word_is_said_to_have_none(log):
    assert "its log is empty" in why_it_ended(a_session(log)).message


def test_a_traceback_is_one_line_of_its_last_ones():
    lines = "".join(f"line {i}\n" for i in range(9))

    words = why_it_ended(a_session(f"{lines}ImportError: no module\n")).message

    assert words.endswith("line 8 | ImportError: no module")
    assert "line 4" not in words
    assert "\n" not in words


def test_a_controller_that_is_dead_is_not_waited_for():
    session = a_session(ENDED)

    with pytest.raises(PortTaken):
        wait_for_controller(session, session.clock.now() + 60.0, log_from=0)
