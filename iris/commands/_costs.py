"""What a cluster costs, as tables for people."""

from __future__ import annotations

import time

from iris.commands._tables import table
from iris.domain.costs import CostView, Share, SliceCost, Upkeep

UNKNOWN = "not known"
FORGOTTEN = "(kept no more)"


def cost_tables(view: CostView) -> str:
    """The sum, then users, jobs and slices, the dearest first."""
    begins = time.strftime("%Y-%m-%d %H:%M", time.localtime(view.since))
    span = f"since {begins}" if view.since else "in all"
    lines = [
        f"about {_dollars(view.usd)} {span}, {_dollars(view.idle_usd)} of it idle: "
        f"list prices of {view.prices_of}, spot moves monthly"
    ]
    if view.unpriced_hours:
        hours = f"{_hours(view.unpriced_hours)} hours of slices"
        lines.append(f"not counted: {hours}, for which no price is known")
    shares = ("CHIP-HOURS", "CPU-HOURS", "COST")
    users = [(share.user, *_had(share)) for share in view.users]
    jobs = [(share.job or FORGOTTEN, share.user, *_had(share)) for share in view.jobs]
    lines += ["", table(("USER", *shares), users)]
    lines += ["", table(("JOB", "USER", *shares), jobs)]
    lines += _more(view.jobs_in_all - len(jobs), "jobs")
    lines += ["", _slices(view)]
    lines += _more(view.slices_in_all - len(view.slices), "slices")
    if view.upkeep:
        lines += ["", _upkeep(view)]
    return "\n".join(lines)


def _slices(view: CostView) -> str:
    rows = [
        (
            each.name,
            each.kind,
            each.zone,
            each.capacity,
            each.state,
            _hours(each.hours),
            _hours(each.idle_hours),
            *_paid(each),
        )
        for each in view.slices
    ]
    heads = ("SLICE", "TYPE", "ZONE", "CAPACITY", "STATE", "HOURS", "IDLE")
    return table((*heads, "AN HOUR", "COST"), rows)


def _upkeep(view: CostView) -> str:
    rows = [
        (each.what, each.kind, _hours(each.hours), *_paid(each)) for each in view.upkeep
    ]
    return table(("CONTROLLER", "TYPE", "HOURS", "AN HOUR", "COST"), rows)


def _paid(each: SliceCost | Upkeep) -> tuple[str, str]:
    if each.price_per_hour is None or each.usd is None:
        return UNKNOWN, UNKNOWN
    return _dollars(each.price_per_hour), _dollars(each.usd)


def _had(share: Share) -> tuple[str, str, str]:
    cost = _dollars(share.usd)
    if share.unpriced_hours:
        cost = f"{cost} and more" if share.usd else UNKNOWN
    return _hours(share.chip_hours), _hours(share.cpu_hours), cost


def _more(count: int, what: str) -> list[str]:
    return [f"and {count} more {what}, less dear: --top N shows more"] if count else []


def _hours(hours: float) -> str:
    return f"{hours:.2f}" if hours >= 1 or not hours else f"{hours:.2g}"


def _dollars(usd: float) -> str:
    return f"${usd:.2f}"
