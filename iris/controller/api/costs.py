"""What the cluster costs, by list prices, and whose work it was."""

from __future__ import annotations

import msgspec

from iris.controller.api.query import limited
from iris.controller.api.route import READERS, Call, Routes
from iris.controller.transitions.machines import lives_of_machines
from iris.domain.access import Role
from iris.domain.costs import CostView, Rented
from iris.domain.fleet import ScaleGroup, Slice
from iris.domain.prices import group_price
from iris.errors import UsageError
from iris.planning.costs import add_up, cut_to, upkeep_of

routes = Routes()


class CostQuery(msgspec.Struct, frozen=True):
    """Of how many seconds until now, 0 for all that is kept; how many rows."""

    within: float = 0.0
    limit: int = 100


@routes.add("GET", "/v1/costs", roles=READERS, query=CostQuery, answer=CostView)
def get_costs(call: Call[None, CostQuery]) -> CostView:
    """An estimate for slices, jobs and users; of people a user sees itself alone."""
    within, limit = call.query.within, limited(call.query.limit)
    if not within >= 0:
        raise UsageError(f"within: expected 0 seconds or more, got {within:g}")
    parts, now = call.parts, call.parts.clock.now()
    since = max(now - within, 0.0) if within else 0.0
    parts.state.wait_durable()
    with parts.state.reading() as tables:
        groups = dict(tables.groups)
        lives = lives_of_machines(tables.meta)
    rented = [_rented(each, groups) for each in parts.history.slices(since)]
    upkeep = tuple(upkeep_of(parts.standing, lives, since, now))
    costs = add_up(rented, parts.history.work(since), since, now, upkeep)
    only = call.caller.user if call.caller.role is Role.USER else ""
    return cut_to(costs, limit, only)


def _rented(row: Slice, groups: dict[str, ScaleGroup]) -> Rented:
    """A group that the file has lost has no price any more."""
    group = groups.get(row.group)
    if group is None:
        return Rented(row)
    return Rented(
        row,
        whole=group.resources.times(row.vms),
        kind=group.accelerator or group.machine_type,
        price=group_price(group, row.capacity, row.zone),
    )
