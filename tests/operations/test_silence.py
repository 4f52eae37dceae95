from __future__ import annotations

import pytest
from msgspec.structs import replace

from iris import wire
from iris.client import records
from iris.client.records import Record
from iris.domain.views import Health
from iris.errors import NoCluster, Unavailable, UsageError
from iris.operations.cleanup import Wanted, carry_out
from iris.operations.silence import BETWEEN, LAST_LOOKS, judge_silence
from iris.providers.contract import ControllerMachine, Phase
from tests.support.cluster import QUICK
from tests.support.http_server import HttpServer, Said
from tests.support.sky import HastyClock, Sky, View, a_leftover

HOUR = 3600.0
ALL = (a_leftover("controller", "proof-controller"), a_leftover("slice", "proof-a"))


@pytest.fixture
def clock():
    return HastyClock()


class Controller:
    """What answers, or does not, where the controller should be."""

    is_away = False

    def answer(self, _asked):
        if self.is_away:
            return Said(503)
        health = wire.encode(Health("proof", "c-1", "0", True, ()))
        return Said(200, health, {"Iris-Seq": "0"})


@pytest.fixture
def controller():
    made = Controller()
    with HttpServer(made.answer) as server:
        made.url = server.url
        yield made


@pytest.fixture
def sky(controller):
    """A cloud with a controller that answers."""
    made = Sky(*ALL)
    address = controller.url.removeprefix("http://")
    made.machines = (
        ControllerMachine("proof-controller", "c-1", "z", Phase.UP, 1.0, address),
    )
    return made


@pytest.fixture
def session(make_cluster, sky, clock):
    """The cluster as a machine with a record sees it."""
    opened = make_cluster().session
    record = Record("proof", "c-1", "x")
    records.save(record, config_text=QUICK)
    return replace(opened, record=record, clock=clock, provider=View(sky, "c-1"))


def is_over(session, hours=2.0):
    return judge_silence(session, hours * HOUR).is_over


def test_a_controller_that_answers_is_left_alone_for_ever(session, clock):
    for _ in range(5):
        assert not is_over(session)
        clock.advance(10 * HOUR)


def test_the_first_silent_look_starts_the_count(session, controller, clock):
    controller.is_away = True

    assert not is_over(session)
    clock.advance(HOUR)
    assert not is_over(session)
    clock.advance(HOUR)
    assert is_over(session)


def test_a_controller_whose_machine_is_gone_is_silent(session, sky, clock):
    sky.machines = ()

    assert not is_over(session)
    clock.advance(2 * HOUR)
    assert is_over(session)


def test_an_answer_starts_the_count_anew(session, controller, clock):
    controller.is_away = True
    is_over(session)
    clock.advance(1.9 * HOUR)
    controller.is_away = False
    assert not is_over(session)
    controller.is_away = True

    clock.advance(HOUR)
    assert not is_over(session)
    clock.advance(1.9 * HOUR)
    assert not is_over(session)


def test_a_machine_without_a_network_counts_nothing(session, controller, sky, clock):
    controller.is_away = True
    is_over(session)
    sky.answers = False
    for _ in range(5):
        clock.advance(HOUR)
        with pytest.raises(Unavailable, match="no route"):
            is_over(session)
    sky.answers = True

    clock.advance(HOUR)
    assert not is_over(session)  # the count goes on from here
    clock.advance(1.9 * HOUR)
    assert not is_over(session)
    clock.advance(HOUR)
    assert is_over(session)


def test_it_looks_again_before_it_is_over(session, controller, sky, clock):
    """Two short silences, a night apart, are no long one."""
    controller.is_away = True
    is_over(session)
    began = clock.now() + 9 * HOUR
    clock.advance(9 * HOUR)

    assert is_over(session)
    assert clock.now() - began >= (LAST_LOOKS - 1) * BETWEEN


def test_another_cluster_of_the_name_starts_a_count_of_its_own(
    session, controller, clock
):
    controller.is_away = True
    is_over(session)
    clock.advance(5 * HOUR)
    renewed = replace(session, record=Record("proof", "c-2", "x"))

    assert not is_over(renewed)


def test_without_a_record_nobody_could_hear_it(session):
    with pytest.raises(NoCluster, match="no record"):
        is_over(replace(session, record=None))


# The switch


def silent(session, **changes):
    return Wanted(**({"is_dry": False, "silent_for": 2 * HOUR, "wait": 0.0} | changes))


def test_a_silent_controllers_cluster_is_deleted(session, controller, sky, clock):
    controller.is_away = True

    first = carry_out(session, [].append, silent(session), load=sky.load)
    clock.advance(2 * HOUR)
    carry_out(session, [].append, silent(session), load=sky.load)

    assert "silent for 0 s of 7200 s" in first.spared
    assert sky.left == []
    assert records.find("proof") is None


def test_a_dry_switch_deletes_nothing(session, controller, sky, clock):
    controller.is_away = True
    wanted = silent(session, is_dry=True)
    carry_out(session, [].append, wanted, load=sky.load)
    clock.advance(2 * HOUR)

    found = carry_out(session, [].append, wanted, load=sky.load)

    assert (found.deleted, sky.left) == (ALL, list(ALL))


def test_a_namesake_of_a_silent_cluster_is_not_touched(session, controller, sky, clock):
    theirs = a_leftover("slice", "proof-theirs", "c-2")
    sky.left.append(theirs)
    controller.is_away = True
    carry_out(session, [].append, silent(session), load=sky.load)
    clock.advance(2 * HOUR)

    carry_out(session, [].append, silent(session), load=sky.load)

    assert sky.left == [theirs]


def test_a_cluster_that_was_stopped_keeps_its_state(session, sky, clock):
    disk = a_leftover("disk", "proof-state")
    sky.left, sky.machines = [disk], ()
    carry_out(session, [].append, silent(session), load=sky.load)
    clock.advance(9 * HOUR)

    found = carry_out(session, [].append, silent(session), load=sky.load)

    assert "only its state is left" in found.spared
    assert sky.left == [disk]


def test_the_switch_listens_to_the_known_cluster_only(session, sky):
    with pytest.raises(UsageError, match="known uid"):
        carry_out(session, [].append, silent(session, uid="c-2"), load=sky.load)
