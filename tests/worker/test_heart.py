"""How often an agent speaks."""

from __future__ import annotations

import pytest

from iris.worker.agent.heart import CROWD, MOST_REST, rest_after


def test_a_worker_with_little_to_do_speaks_at_once():
    assert rest_after(0.004, 0) == 0.0
    assert rest_after(0.004, 1) == pytest.approx(0.0005)


def test_a_crowded_worker_rests_for_longer_than_it_spoke_but_never_long():
    assert rest_after(0.01, CROWD) == rest_after(0.01, 500) == 0.02
    assert rest_after(20.0, CROWD) == MOST_REST
