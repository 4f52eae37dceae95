"""A boot that fails holds its group back from the zone."""

from __future__ import annotations

from iris.domain.states import SliceState
from iris.planning.plans import CapacityPlan, Create, LifecyclePlan, SliceMove
from tests.support.fleet import Fleet


def test_a_group_whose_boots_fail_is_held_back_longer_each_time():
    fleet, waits = Fleet(), []
    because = "0 of 1 workers registered within 60 s"

    for _ in range(2):
        create = Create("cpu", "z", "a test wants it")
        (row,) = fleet.state.commit_capacity(CapacityPlan(creates=(create,)))
        fleet.move(row.name, SliceState.BOOTING)
        move = SliceMove(row.name, SliceState.FAILED, because, backoff="boot-late")
        fleet.state.commit_lifecycle(LifecyclePlan(moves=(move,)))
        (backoff,) = fleet.state.snapshot().backoffs
        waits.append(backoff.until - fleet.clock.now())
        fleet.move(row.name, SliceState.DELETING, SliceState.DELETED)

    assert (backoff.group, backoff.zone, backoff.words) == ("cpu", "z", because)
    assert waits == [30.0, 60.0]
