"""Where a job would run and what that costs, before anything is submitted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import JobSpec
from iris.domain.pages import Admission
from iris.domain.prices import group_price
from iris.planning.refusals import require_place
from iris.planning.rules import imagined_vm, objection


class Place(msgspec.Struct, frozen=True):
    """One place where all of a job, or as much as fits at once, could run."""

    group: str
    zone: str
    capacity: str
    slices: int  # that it can use at once
    tasks_at_once: int
    price_per_hour: float | None  # US dollars for those slices, None if not known


class Outlook(msgspec.Struct, frozen=True):
    """What would be submitted, and where it could run, the first tried first."""

    spec: JobSpec
    places: tuple[Place, ...]
    answer: Admission | None = None  # what the controller said, if one was asked


def look_ahead(spec: JobSpec, groups: Sequence[ScaleGroup]) -> Outlook:
    """The places of a job. Raises JobRefused if there will never be one."""
    require_place(spec, groups)
    ordered = sorted(groups, key=lambda group: (-group.priority, group.name))
    places = [
        _place(spec, group, zone)
        for group in ordered
        for zone in group.zones
        if group.max_slices and objection(spec, imagined_vm(group, zone)) is None
    ]
    brief = msgspec.structs.replace(spec, each=dict.fromkeys(spec.each, ()))
    return Outlook(brief, tuple(places))


def words_of(outlook: Outlook) -> str:
    """A line for each place."""
    lines = []
    for place in outlook.places:
        price = place.price_per_hour
        costs = "price not known" if price is None else f"about ${price:.2f} an hour"
        slices = "1 slice" if place.slices == 1 else f"{place.slices} slices"
        lines.append(
            f"  on {slices} of {place.group} in {place.zone} ({place.capacity}), "
            f"{place.tasks_at_once} at once: {costs}"
        )
    return "\n".join(lines)


def _place(spec: JobSpec, group: ScaleGroup, zone: str) -> Place:
    on_one = spec.tasks
    if not spec.gang:
        on_one = spec.resources.copies_within(group.resources) * group.vms
    slices = min(-(-spec.tasks // on_one), group.max_slices)
    one = group_price(group, group.capacity, zone)
    return Place(
        group=group.name,
        zone=zone,
        capacity=group.capacity,
        slices=slices,
        tasks_at_once=min(spec.tasks, slices * on_one),
        price_per_hour=None if one is None else one * slices,
    )
