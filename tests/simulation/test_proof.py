"""The long run of the simulation: sixty seeds of two days."""

from __future__ import annotations

import pytest

from iris.operations.simulate import require_kept, simulate


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_sixty_seeds_of_two_days_keep_every_promise():
    found = simulate(60, first=1001, days=2.0)

    require_kept(found)
    assert found.seeds == 60
    assert found.crashes > 1000
