from __future__ import annotations

import pytest

from iris.clock import RealClock
from iris.config import parse_config
from iris.errors import FellShort, Late, Unreachable
from iris.operations.booting import Boot, last_phase
from iris.operations.starting import default_wait, wait_for_controller
from iris.providers.contract import ControllerMachine, Phase
from iris.session import Session
from tests.support.ssh_cluster import FAR

STOPPED_SHORT = (
    "x: iris-phase: boot started\n"
    "x: iris-phase: failed because image i cannot be pulled: denied\n"
)


class Sky:
    """A provider whose controller's machine is there and never lets anybody in."""

    def __init__(self, console):
        self.console = console

    def list_controllers(self):
        return (
            ControllerMachine(
                *("far-controller", "c-1", "z", Phase.UP, 1.0),
                address="127.0.0.1:1",
                ssh_address="127.0.0.1",
            ),
        )

    def read_boot_log(self):
        return self.console


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    text = FAR.format(name="far", port=1)
    made = Session(
        config=parse_config(text),
        config_text=text,
        config_path="far.yaml",
        record=None,
        clock=RealClock(),
        provider=Sky(""),
    )
    made.reach.ensure_key()
    yield made
    made.close_tunnel()


def test_a_boot_that_failed_is_told_at_once_with_its_reason(session):
    session.provider.console = STOPPED_SHORT

    with pytest.raises(FellShort, match="image i cannot be pulled: denied") as raised:
        wait_for_controller(session, session.clock.now() + 60, log_from=0)

    assert "inv probe.bootstrap-logs" in raised.value.hint


def test_how_far_a_boot_came_is_said_once_and_in_the_end(session):
    session.provider.console = "iris-phase: docker ready\n"
    said = []

    with pytest.raises(Late, match=r"refused.*'docker ready'"):
        wait_for_controller(
            session, session.clock.now() + 1, log_from=0, say=said.append
        )

    assert said == ["the controller's machine boots: docker ready"]


def test_a_fault_of_the_cloud_in_between_is_not_the_end(session):
    boot = Boot(session, lambda words: None)
    assert boot.look().name == "far-controller"


def test_the_last_phase_counts_and_its_reason_goes_with_it():
    assert last_phase(STOPPED_SHORT)[0] == "failed"
    assert last_phase(f"{STOPPED_SHORT}iris-phase: boot started\n") == (
        *("boot started", ""),
    )
    assert last_phase("") == ("", "")


def test_a_cloud_gets_more_time_than_this_machine(session):
    assert default_wait(session) == 900.0


def test_nobody_is_reached_through_a_machine_that_is_not_there(session):
    with pytest.raises(Unreachable):
        session.reach.url(session.provider.list_controllers()[0])
