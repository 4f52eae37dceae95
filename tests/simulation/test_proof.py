"""The long run of the simulation: sixty seeds of two days."""

from __future__ import annotations

import pytest

from iris.operations.simulate import require_kept, simulate


@pytest.mark.heavy
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", [1001, 1021, 1041])
def test_sixty_seeds_of_two_days_keep_every_promise(first):
    found = simulate(20, first=first, days=2.0)

    require_kept(found)
    assert found.seeds == 20
    assert found.crashes > 300
