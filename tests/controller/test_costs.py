"""Costs over HTTP: read from the rows, live and ended, each told what is its own."""

from __future__ import annotations

import pytest

from iris.domain.access import Role
from iris.domain.states import SliceState
from iris.planning.plans import LifecyclePlan, SliceMove
from tests.support.desk import Desk
from tests.support.fleet import CPU, TPU, ended

HALF = 1800.0  # an hour
ONE_CPU = {"resources": {"cpus": 1}}


@pytest.fixture
def worked(desk: Desk) -> Desk:
    """Ann's job ended after half an hour on the slice, bob's goes on since then."""
    (worker,) = desk.boot(CPU)
    anns, bobs = (
        desk.submit(desk.token(Role.USER, user), name=f"of-{user}", **ONE_CPU)
        for user in ("ann", "bob")
    )
    first = desk.place(anns, worker)
    desk.clock.advance(HALF)
    worker.beat(ended(first))
    desk.place(bobs, worker)
    desk.clock.advance(HALF)
    return desk


def test_costs_are_those_of_live_and_ended_work(worked: Desk):
    view = worked.ask("GET", "/v1/costs").json

    (slice_,) = view["slices"]
    hours = {share["user"]: share["cpu_hours"] for share in view["users"]}
    assert hours == pytest.approx({"ann": 0.5, "bob": 0.5})
    assert (slice_["hours"], slice_["idle_hours"]) == pytest.approx((1.0, 0.75))
    assert (slice_["usd"], view["usd"]) == (None, 0.0)  # a machine of no known type
    assert view["unpriced_hours"] == pytest.approx(1.0)
    assert (slice_["capacity"], slice_["state"]) == ("on-demand", "ready")


def test_costs_of_late_leave_out_what_was_before(worked: Desk):
    view = worked.ask("GET", f"/v1/costs?within={HALF / 2}").json

    assert [share["user"] for share in view["users"]] == ["bob"]
    assert view["slices"][0]["hours"] == pytest.approx(0.25)
    assert view["since"] == worked.clock.now() - HALF / 2


def test_a_slice_that_is_gone_has_cost_what_it_cost(worked: Desk):
    with worked.state.reading() as tables:
        (name,) = tables.slices
    for state in (SliceState.DRAINING, SliceState.DELETING, SliceState.DELETED):
        move = SliceMove(name, state, "a test moves it")
        worked.state.commit_lifecycle(LifecyclePlan(moves=(move,)))
    worked.clock.advance(HALF)

    (slice_,) = worked.ask("GET", "/v1/costs").json["slices"]
    lately = worked.ask("GET", f"/v1/costs?within={HALF / 2}").json

    assert (slice_["state"], slice_["hours"]) == ("deleted", pytest.approx(1.0))
    assert (lately["slices"], lately["users"]) == ([], [])


def test_of_people_a_user_sees_itself_and_viewers_and_operators_see_all(worked: Desk):
    def seen(token):
        view = worked.ask("GET", "/v1/costs", token=token).json
        return [[each["user"] for each in view[rows]] for rows in ("users", "jobs")]

    assert seen(worked.token(Role.USER, "bob")) == [["bob"], ["bob"]]
    assert seen(worked.token(Role.USER, "eve")) == [[], []]
    assert seen(worked.token(Role.VIEWER, "eve")) == [["ann", "bob"]] * 2


def test_rows_are_cut_off_and_counted(worked: Desk):
    worked.boot(TPU)
    worked.clock.advance(1.0)

    view = worked.ask("GET", "/v1/costs?limit=1").json

    assert (len(view["slices"]), view["slices_in_all"]) == (1, 2)
    assert (len(view["jobs"]), view["jobs_in_all"]) == (1, 2)


@pytest.mark.parametrize("query", ["within=-1", "within=nan", "within=x", "limit=0"])
def test_a_wrong_span_is_refused(desk: Desk, query):
    answer = desk.ask("GET", f"/v1/costs?{query}")

    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json["detail"]
