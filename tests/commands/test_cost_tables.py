"""What a person reads of costs."""

from __future__ import annotations

from iris.commands._costs import cost_tables
from iris.domain.costs import CostView, Share, Upkeep


def test_what_jobs_cost_that_are_kept_no_more_is_their_users_in_one_row():
    sums = (Share("ann", chip_hours=8.0, cpu_hours=2.0, usd=12.5),)
    view = CostView(0.0, 60.0, "2026-08-11", 20.0, 7.5, 0.0, 0, 1, sums, sums, ())

    lines = [" ".join(line.split()) for line in cost_tables(view).splitlines()]

    assert "ann 8.00 2.00 $12.50" in lines
    assert "(kept no more) ann 8.00 2.00 $12.50" in lines


def test_the_controllers_own_costs_stand_below():
    vm = Upkeep("VM", "n2-standard-4", 10.0, 0.21, 2.1)
    disk = Upkeep("state disk", "hyperdisk-extreme 50GB", 10.0, None, None)
    day = "2026-08-11"
    view = CostView(0.0, 60.0, day, 2.1, 0.0, 0.0, 0, 0, (), (), (), (vm, disk))

    lines = [" ".join(line.split()) for line in cost_tables(view).splitlines()]

    assert lines[-3:] == [
        "CONTROLLER TYPE HOURS AN HOUR COST",
        "VM n2-standard-4 10.00 $0.21 $2.10",
        "state disk hyperdisk-extreme 50GB 10.00 not known not known",
    ]
