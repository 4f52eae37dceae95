"""Cloud calls: off the control threads, bounded, with deadlines and one budget."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from iris.clock import RealClock, VirtualClock
from iris.controller.calls import Budget, Calls, Outcome
from iris.errors import QuotaFull, RateLimited, Unknown
from tests.support.eventually import eventually


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def some_calls(clock: VirtualClock | RealClock, threads: int = 4) -> Calls:
    return Calls(clock, lambda: None, threads=threads, per_second=1e6)


def taken(calls: Calls, count: int) -> list[Outcome]:
    found: list[Outcome] = []

    def all_there() -> bool:
        found.extend(calls.take())
        return len(found) >= count

    eventually(all_there)
    return found


def test_an_answer_wakes_the_loop_and_is_handed_out_once() -> None:
    woken = threading.Event()
    calls = Calls(RealClock(), woken.set)

    calls.start("list", lambda: 42, deadline=5.0)

    assert woken.wait(5.0)
    assert calls.take() == [Outcome("list", 42)]
    assert calls.take() == []
    assert calls.stop(timeout=5.0)


def test_a_refusal_comes_as_its_type() -> None:
    calls = some_calls(RealClock())

    def refuse() -> None:
        raise QuotaFull("quota exceeded")

    calls.start("create a", refuse, deadline=5.0)

    (outcome,) = taken(calls, 1)
    assert isinstance(outcome.error, QuotaFull)
    assert calls.stop(timeout=5.0)


def test_a_bug_in_a_provider_counts_as_unknown_and_ends_no_thread() -> None:
    calls = some_calls(RealClock(), threads=1)

    calls.start("create a", lambda: 1 / 0, deadline=5.0)
    calls.start("create b", lambda: "done", deadline=5.0)

    broken, fine = taken(calls, 2)
    assert isinstance(broken.error, Unknown)
    assert "ZeroDivisionError" in str(broken.error)
    assert fine == Outcome("create b", "done")
    assert calls.stop(timeout=5.0)


def test_the_same_call_is_not_made_twice_at_once(gate: threading.Event) -> None:
    calls = some_calls(RealClock())

    assert calls.start("list", gate.wait, deadline=5.0)
    assert not calls.start("list", gate.wait, deadline=5.0)
    assert calls.is_under_way("list")
    gate.set()
    taken(calls, 1)

    assert calls.start("list", gate.wait, deadline=5.0)
    assert calls.stop(timeout=5.0)


def test_an_answer_after_its_deadline_is_dropped(gate: threading.Event) -> None:
    clock = VirtualClock()
    calls = some_calls(clock)
    began = threading.Event()

    def slow() -> str:
        began.set()
        gate.wait(5.0)
        return "too late"

    calls.start("create a", slow, deadline=60.0)
    assert began.wait(5.0)
    assert calls.next_deadline() == clock.now() + 60.0
    clock.advance(60.0)

    (outcome,) = calls.take()
    gate.set()
    assert calls.stop(timeout=5.0)

    assert isinstance(outcome.error, Unknown)
    assert calls.take() == []
    assert calls.next_deadline() == 0.0


def test_a_call_that_waited_past_its_deadline_has_no_effect(
    gate: threading.Event,
) -> None:
    clock = VirtualClock()
    calls = some_calls(clock, threads=1)
    began, effects = threading.Event(), []

    def block() -> None:
        began.set()
        gate.wait(5.0)

    calls.start("create a", block, deadline=600.0)
    assert began.wait(5.0)
    calls.start("create b", lambda: effects.append("b"), deadline=60.0)
    clock.advance(60.0)
    gate.set()

    errors = {outcome.key: outcome.error for outcome in taken(calls, 2)}
    assert calls.stop(timeout=5.0)
    assert isinstance(errors["create b"], Unknown)
    assert effects == []


def test_54_slow_calls_run_side_by_side_up_to_the_number_of_threads(
    gate: threading.Event,
) -> None:
    calls = some_calls(RealClock(), threads=16)
    running, most, lock = [0], [0], threading.Lock()

    def slow() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(5.0)
        with lock:
            running[0] -= 1

    for number in range(54):
        calls.start(f"delete s{number}", slow, deadline=60.0)
    eventually(lambda: running[0] == 16)
    gate.set()

    assert len(taken(calls, 54)) == 54
    assert most[0] == 16
    assert calls.stop(timeout=5.0)


def test_a_burst_spends_the_budget_and_then_waits_its_turn() -> None:
    budget = Budget(VirtualClock(), per_second=10.0, burst=3)

    assert [budget.take() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_the_budget_fills_up_again_and_no_higher_than_its_burst() -> None:
    clock = VirtualClock()
    budget = Budget(clock, per_second=10.0, burst=2)
    for _ in range(2):
        budget.take()

    clock.advance(1000.0)

    assert [budget.take() for _ in range(3)] == pytest.approx([0, 0, 0.1])


def test_a_refusal_for_the_number_of_calls_slows_every_caller() -> None:
    clock = VirtualClock()
    budget = Budget(clock, per_second=10.0, burst=40)

    budget.pause(2.0)

    assert budget.take() == pytest.approx(2.1)


def test_rate_limited_pauses_the_calls_that_follow() -> None:
    clock = VirtualClock()
    calls = Calls(clock, lambda: None, threads=1, per_second=10.0, burst=40)

    def refuse() -> None:
        raise RateLimited("too many")

    calls.start("create a", refuse, deadline=60.0)
    taken(calls, 1)
    calls.start("create b", lambda: "done", deadline=60.0)
    assert calls.is_under_way("create b")
    clock.advance(3.0)

    assert taken(calls, 1) == [Outcome("create b", "done")]
    assert calls.stop(timeout=5.0)


def test_nothing_starts_after_the_stop() -> None:
    calls = some_calls(RealClock())

    assert calls.stop(timeout=5.0)
    assert not calls.start("list", lambda: 1, deadline=5.0)
