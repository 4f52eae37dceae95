"""Which workers are heard, suspect or lost."""

from __future__ import annotations

from typing import Any

import pytest

from iris.domain.states import SliceState, WorkerState
from iris.planning.liveness import plan_liveness
from iris.planning.plans import LivenessPlan
from tests.support.builders import NOW, a_group, a_slice, a_snapshot, a_worker

CPU = a_group()
HEALTHY, SUSPECT, LOST = WorkerState


def plan(
    silent: float, stalled: float = 0.0, home: Any = None, **changes: Any
) -> LivenessPlan:
    home = home or a_slice(CPU)
    load = a_worker(home, CPU, heard_at=NOW - silent, **changes)
    snapshot = a_snapshot(CPU, slices=[home], workers=[load], stalled_until=stalled)
    return plan_liveness(snapshot, NOW, suspect_after=15.0, lost_after=60.0)


@pytest.mark.parametrize(
    ("silent", "state", "to"),
    [
        (0, HEALTHY, None),
        (14.9, HEALTHY, None),
        (15, HEALTHY, SUSPECT),
        (59.9, SUSPECT, None),
        (60, SUSPECT, LOST),
        (60, HEALTHY, LOST),
        (3, SUSPECT, HEALTHY),
        (3, LOST, None),
        (600, LOST, None),
    ],
)
def test_silence_moves_a_worker(silent: float, state: Any, to: Any) -> None:
    moves = plan(silent, state=state).moves

    assert [move.to for move in moves] == ([to] if to else [])


def test_the_plan_says_when_silence_next_matters() -> None:
    assert plan(5).next_at == NOW + 10
    assert plan(20, state=SUSPECT).next_at == NOW + 40


def test_a_worker_is_never_lost_before_three_missed_heartbeats() -> None:
    assert [move.to for move in plan(80, interval=30.0).moves] == [SUSPECT]
    assert [move.to for move in plan(90, interval=30.0).moves] == [LOST]


def test_a_stall_of_the_controller_counts_against_nobody() -> None:
    assert plan(600, stalled=NOW - 5).moves == ()
    assert [move.to for move in plan(600, stalled=NOW - 20).moves] == [SUSPECT]


def test_a_suspect_is_not_welcomed_back_by_a_stall_alone() -> None:
    assert plan(600, stalled=NOW, state=SUSPECT).moves == ()


def test_a_slice_that_is_deleted_may_be_silent() -> None:
    assert plan(600, home=a_slice(CPU, state=SliceState.DELETING)).moves == ()
