"""What a person reads of costs."""

from __future__ import annotations

from iris.commands._costs import cost_tables
from iris.domain.costs import CostView, Share


def test_what_jobs_cost_that_are_kept_no_more_is_their_users_in_one_row():
    sums = (Share("ann", chip_hours=8.0, cpu_hours=2.0, usd=12.5),)
    view = CostView(0.0, 60.0, "2026-08-11", 20.0, 7.5, 0.0, 0, 1, sums, sums, ())

    lines = [" ".join(line.split()) for line in cost_tables(view).splitlines()]

    assert "ann 8.00 2.00 $12.50" in lines
    assert "(kept no more) ann 8.00 2.00 $12.50" in lines
