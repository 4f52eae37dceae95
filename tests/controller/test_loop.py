"""A loop repeats its turn, outlives a bad one, and says how late it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from iris.clock import RealClock, VirtualClock
from iris.controller.loop import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_REST, Loop
from tests.support.eventually import eventually


@contextmanager
def running(loop: Loop) -> Iterator[Loop]:
    loop.start()
    try:
        yield loop
    finally:
        assert loop.stop(timeout=5.0)


def test_a_loop_turns_when_woken_and_not_before() -> None:
    turns: list[int] = []

    with running(Loop("loop", lambda: turns.append(1) or 0.0, RealClock())) as loop:
        eventually(lambda: loop.health().turns == 1)
        loop.wake()
        eventually(lambda: loop.health().turns == 2)

    assert len(turns) == 2


def test_a_loop_turns_at_the_time_its_turn_gave() -> None:
    clock = VirtualClock()

    with running(Loop("loop", lambda: clock.now() + 20.0, clock)) as loop:
        eventually(lambda: loop.health().turns == 1)
        clock.advance(20.0)
        eventually(lambda: loop.health().turns == 2)


def test_a_loop_that_was_given_no_time_rests_no_longer_than_it_may() -> None:
    clock = VirtualClock()

    with running(Loop("loop", lambda: 0.0, clock)) as loop:
        eventually(lambda: loop.health().turns == 1)
        clock.advance(LONGEST_REST)
        eventually(lambda: loop.health().turns == 2)


def test_a_wake_during_a_turn_is_not_lost() -> None:
    entered, may_leave = threading.Event(), threading.Event()

    def once() -> float:
        entered.set()
        may_leave.wait(5.0)
        return 0.0

    with running(Loop("loop", once, RealClock())) as loop:
        entered.wait(5.0)
        loop.wake()
        may_leave.set()
        eventually(lambda: loop.health().turns == 2)


def failing(times: int) -> Callable[[], float]:
    left = [times]

    def once() -> float:
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("a poisoned row")
        return 0.0

    return once


def test_a_bad_turn_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    loop = Loop("scheduler", failing(1), clock)

    with caplog.at_level(logging.ERROR):
        due_at = loop.turn()
    loop.turn()

    assert due_at == clock.now() + FIRST_PAUSE
    assert "turn broke loop=scheduler" in caplog.text
    assert "Traceback" in caplog.text
    health = loop.health()
    assert (health.turns, health.errors) == (1, 1)
    assert health.last_error == "ValueError: a poisoned row"


def test_bad_turns_in_a_row_pause_ever_longer_up_to_a_limit() -> None:
    clock = VirtualClock()
    loop = Loop("loop", failing(20), clock)

    pauses = [loop.turn() - clock.now() for _ in range(20)]

    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_health_said_fine_while_threads_were_dead() -> None:
    clock, may_leave = VirtualClock(), threading.Event()

    def hang() -> float:
        may_leave.wait(5.0)
        return 0.0

    loop = Loop("scheduler", hang, clock)
    loop.start()
    clock.advance(90 * 60.0)

    late = loop.health().late_seconds
    may_leave.set()

    assert late == 90 * 60.0
    assert loop.stop(timeout=5.0)


def test_a_loop_that_never_started_stops() -> None:
    assert Loop("loop", lambda: 0.0, VirtualClock()).stop(timeout=1.0)


def test_a_loop_whose_turns_wake_the_next_leaves_time_to_others() -> None:
    clock = VirtualClock()
    turns: list[int] = []

    def once() -> float:
        turns.append(1)
        clock.advance(0.1)
        return clock.now()

    with running(Loop("loop", once, clock, share=0.25)) as loop:
        eventually(lambda: loop.health().turns == 1)
        clock.advance(0.29)
        assert len(turns) == 1
        clock.advance(0.02)
        eventually(lambda: loop.health().turns == 2)


class _Listed(VirtualClock):
    """Lists what is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        self.timeouts.append(timeout)
        return super().wait(event, timeout)


def test_a_loop_of_little_haste_lets_others_go_first() -> None:
    clock = _Listed()

    with running(Loop("loop", lambda: 0.0, clock, settling=0.01)) as loop:
        eventually(lambda: loop.health().turns == 1)
        loop.wake()
        eventually(lambda: 0.01 in clock.timeouts)
        assert loop.health().turns == 1
        clock.advance(0.02)
        eventually(lambda: loop.health().turns == 2)
