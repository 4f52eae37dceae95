"""What a keeper says is told in as few heartbeats as nobody waits for."""

from __future__ import annotations

import pytest

from iris.worker.agent.agent import START_PAUSE, hear_out


class Words:
    """What a keeper says: at which second, and whether it is pressing."""

    def __init__(self, *said):
        self.said, self.now, self.taken = list(said), 0.0, 0

    def has_more(self, seconds):
        until = self.now + seconds
        self.now = min(until, self.said[0][0]) if self.said else until
        return bool(self.said) and self.said[0][0] <= until

    def take(self):
        at, is_pressing = self.said.pop(0)
        self.now, self.taken = max(self.now, at), self.taken + 1
        return is_pressing


@pytest.mark.parametrize(
    ("said", "taken", "told_at"),
    [
        ([(0.0, False), (0.001, True), (0.002, True)], 2, 0.001),  # and at once
        ([(0.0, True), (0.001, False)], 1, 0.0),
        ([(0.0, False)], 1, START_PAUSE),
        ([(0.0, False), (0.003, False), (0.9, True)], 2, START_PAUSE),
    ],
)
def test_a_start_is_told_with_its_end_if_that_comes_at_once(said, taken, told_at):
    words = Words(*said)

    hear_out(words.take, words.has_more, lambda: words.now)

    assert words.taken == taken
    assert words.now == pytest.approx(told_at)
