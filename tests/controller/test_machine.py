"""When which machine was the controller's, over restarts and new machines."""

from __future__ import annotations

from pathlib import Path

from iris.controller.machine import settle_on
from iris.controller.transitions.machines import lives_of_machines
from iris.domain.costs import Life
from tests.support.desk import Desk, open_desk

HOUR = 3600.0


def settle(desk: Desk, machine: Path) -> list[Life]:
    """A start of the controller on a machine."""
    desk.state.wait_durable()
    machine.mkdir(exist_ok=True)
    settle_on(machine, desk.state, desk.archive)
    return lives(desk)


def lives(desk: Desk) -> list[Life]:
    with desk.state.reading() as tables:
        return lives_of_machines(tables.meta)


def test_a_machine_was_there_from_its_first_start_to_the_last_that_was_seen(tmp_path):
    with open_desk(tmp_path / "state") as desk:
        began = desk.clock.now()
        first = settle(desk, tmp_path / "one")
        desk.clock.advance(HOUR)
        again = settle(desk, tmp_path / "one")
        desk.submit()  # the last that happened there
        desk.clock.advance(HOUR)

        settle(desk, tmp_path / "two")
        former, ours = lives(desk)

    assert first == again == [Life(began)]
    assert former == Life(began, began + HOUR)
    assert ours == Life(began + 2 * HOUR)


def test_lives_are_remembered(tmp_path):
    with open_desk(tmp_path / "state") as desk:
        before = settle(desk, tmp_path / "one")
        desk.state.wait_durable()
    with open_desk(tmp_path / "state") as desk:
        assert lives(desk) == before


def test_costs_have_the_controllers_own(desk: Desk, tmp_path):
    settle(desk, tmp_path / "one")
    desk.clock.advance(HOUR)

    view = desk.ask("GET", "/v1/costs").json

    (vm,) = view["upkeep"]
    assert vm == {
        "what": "VM",
        "kind": "n2-standard-4",
        "hours": 1.0,
        "price_per_hour": 0.2,
        "usd": 0.2,
    }
    assert (view["usd"], view["slices"]) == (0.2, [])
