"""An idle slice goes in time, however often its controller starts anew."""

from __future__ import annotations

from msgspec.structs import replace

from iris.planning.autoscaler import REUNION, plan_capacity
from tests.support.fleet import CPU, Fleet, ended

DELAY = 300.0


def drained(fleet):
    plan = plan_capacity(fleet.state.snapshot(), fleet.clock.now())
    return [drain.slice_name for drain in plan.drains]


def an_idle_slice():
    fleet = Fleet(groups=(replace(CPU, scale_down_delay=DELAY),))
    (worker,) = fleet.boot()
    return fleet, worker


def test_restarts_do_not_hold_it_up():
    fleet, worker = an_idle_slice()
    for _ in range(4):
        assert drained(fleet) == []
        fleet.restart()
        fleet.beat(worker)
        fleet.clock.advance(DELAY / 4)

    assert drained(fleet) == [worker.slice_name]


def test_after_a_restart_it_has_time_to_get_work_again():
    fleet, worker = an_idle_slice()
    fleet.clock.advance(2 * DELAY)
    fleet.restart()
    fleet.beat(worker)
    fleet.clock.advance(REUNION - 1)
    early = drained(fleet)
    fleet.clock.advance(1)

    assert (early, drained(fleet)) == ([], [worker.slice_name])


def test_a_stall_shortens_no_delay():
    fleet, worker = an_idle_slice()
    fleet.clock.advance(10)
    fleet.state.note_stall()
    fleet.beat(worker)
    fleet.clock.advance(DELAY - 11)
    early = drained(fleet)
    fleet.clock.advance(1)

    assert (early, drained(fleet)) == ([], [worker.slice_name])


def test_a_restart_takes_nothing_from_the_time_that_a_slice_may_be_idle():
    fleet, worker = an_idle_slice()
    fleet.clock.advance(1000)
    (uid,) = fleet.place(fleet.submit(), worker)
    fleet.clock.advance(100)
    fleet.beat(worker, [ended(uid)])
    idle_since = fleet.clock.now()

    for _ in range(2):
        fleet.clock.advance(100)
        fleet.restart()
    plan = plan_capacity(fleet.state.snapshot(), fleet.clock.now())

    assert (plan.drains, plan.next_at) == ((), idle_since + DELAY)
