"""What the resources of a ledger cost an hour, by the dated list of prices."""

from __future__ import annotations

from collections.abc import Sequence

from iris.client.admin import Resource
from iris.domain.jobs import Capacity
from iris.domain.prices import LISTED_ON, slice_price, vm_price
from iris.operations.rehearsal_report import Price, key_of

SAID = f"list prices of {LISTED_ON}; spot moves monthly"


def prices_of(resources: Sequence[Resource]) -> dict[str, Price]:
    """Of each that has a price; a queued request costs nothing while it waits."""
    return {key_of(each): Price(_price(each), SAID) for each in resources}


def _price(resource: Resource) -> float | None:
    known = resource.capacity in set(Capacity)
    capacity = Capacity(resource.capacity) if known else Capacity.ON_DEMAND
    if resource.kind == "slice":
        return slice_price(resource.type, capacity, resource.zone)
    if resource.kind == "vm":
        return vm_price(resource.type, capacity, resource.zone)
    return 0.0 if resource.kind == "queued-resource" else None
