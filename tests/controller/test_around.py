"""One poisoned item stops neither a plan nor a commit."""

from __future__ import annotations

import logging

import pytest

from iris.controller.around import commit_around, plan_around
from iris.planning.plans import CapacityPlan, Create, Drain
from iris.planning.snapshot import Snapshot
from tests.support.builders import a_group


def creating_one_of_each(snapshot: Snapshot) -> CapacityPlan:
    if any(group.name == "poisoned" for group in snapshot.groups):
        raise KeyError("poisoned")
    return CapacityPlan(tuple(Create(g.name, "z", "") for g in snapshot.groups))


def test_a_sound_snapshot_is_planned_once():
    planned: list[Snapshot] = []
    snapshot = Snapshot((a_group("a"), a_group("b")))

    plan_around(lambda each: planned.append(each) or CapacityPlan(), snapshot, "groups")

    assert planned == [snapshot]


def test_one_poisoned_row_leaves_the_others_planned(caplog: pytest.LogCaptureFixture):
    snapshot = Snapshot((a_group("a"), a_group("poisoned"), a_group("b")))

    with caplog.at_level(logging.WARNING):
        plan = plan_around(creating_one_of_each, snapshot, "groups")

    assert [create.group for create in plan.creates] == ["a", "b"]
    assert "left out of the plan field=groups item=ScaleGroup(name='poisoned'" in (
        caplog.text
    )


def test_a_plan_that_breaks_without_a_culprit_is_a_bad_turn():
    def always_broken(snapshot: Snapshot) -> CapacityPlan:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        plan_around(always_broken, Snapshot((a_group("a"),)), "groups")


def test_one_poisoned_item_leaves_the_others_committed(
    caplog: pytest.LogCaptureFixture,
):
    committed: list[str] = []

    def commit(plan: CapacityPlan) -> None:
        names = [create.group for create in plan.creates]
        names += [drain.slice_name for drain in plan.drains]
        if "poisoned" in names:
            raise KeyError("poisoned")
        committed.extend(names)

    plan = CapacityPlan(
        creates=(Create("a", "z", ""), Create("poisoned", "z", "")),
        drains=(Drain("s", ""),),
    )
    commit_around(commit, plan, ("creates", "drains"))

    assert committed == ["a", "s"]
    assert "left out of the commit item=Create(group='poisoned'" in caplog.text
