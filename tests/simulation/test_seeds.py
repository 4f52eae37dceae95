"""Twenty seeds of a day: every promise is kept under every climate."""

from __future__ import annotations

import os

import pytest

from iris.domain.seeds import SeedResult
from iris.operations.simulate import require_kept, simulate


@pytest.mark.timeout(480)  # about 40 s on two idle cores
def test_twenty_seeds_of_a_day_keep_every_promise():
    heard: list[SeedResult] = []

    found = simulate(
        20, first=1, days=1.0, processes=os.cpu_count() or 1, progress=heard.append
    )

    require_kept(found)
    assert {result.seed for result in heard} == set(range(1, 21))
    # it proves something only while there is work, and trouble
    assert found.attempts > 15_000
    assert found.crashes > 200
