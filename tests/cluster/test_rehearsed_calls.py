"""Faults of calls, rehearsed: nothing is made twice, nothing is given up."""

from __future__ import annotations

import pytest

from tests.support.rehearsals import LONGEST, rehearse, struck
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(LONGEST)]


@pytest.mark.parametrize(
    "fault", ["unavailable", "reply-lost", "stale-list", "ssh-cut"]
)
def test_a_call_that_fails_costs_time_only(tmp_path, fault):
    words = ("eu-west4.yaml", "--faults", f"{fault}.yaml")

    report = rehearse(Terminal(tmp_path), *words)

    assert struck(report) == {fault, "preemption"}
