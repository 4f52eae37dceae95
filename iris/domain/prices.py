"""List prices in US dollars an hour: estimates, good for the day they were read.

On demand from a catalogue of Cloud Billing of 2025 and 2026; spot as last read. Spot
moves up to monthly, by a factor of up to 3.
"""

from __future__ import annotations

from iris.domain.accelerators import CATALOGUE, region_of
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.domain.machine_types import machine_size

LISTED_ON = "2026-08-11"  # when the newest of them was read

# of one chip, its share of the VM included
_ON_DEMAND = {
    "v5litepod": {"": 1.20, "europe-west4": 1.56},
    "v5p": {"": 4.20, "europe-west4": 4.2525},
    "v6e": {"": 2.70, "europe-west4": 2.97},
    "v4": {"": 3.22},
}
_SPOT = {
    "v5litepod": {
        "us-central1": 0.245,
        "us-west4": 0.48,
        "us-east5": 0.60,
        "europe-west4": 0.61,
    },
    "v5p": {"us-central1": 0.93, "us-east5": 1.68, "europe-west4": 1.35},
    "v6e": {"us-central1": 0.573, "us-east5": 1.35, "europe-west4": 1.78},
    "v4": {"us-central2": 0.92},
}
# of one CPU of n2-standard, its memory included; near enough for its neighbours
_CPU = {"": 0.0486, "europe-west4": 0.0535}
# of a GiB for a month in the USA, taken for every region. Standard and SSD: copies of
# cloud.google.com/compute/disks-image-pricing, undated, read on 2026-11-28. Balanced:
# Google's pricing calculator for Iowa, 2023-05-18
_DISK = {"pd-standard": 0.04, "pd-balanced": 0.10, "pd-ssd": 0.17}
_MONTH = 730.0  # hours
_GIB = 1 << 30
_ORDINARY = ("n2-standard", "n2d-standard", "e2-standard")


def group_price(group: ScaleGroup, capacity: Capacity, zone: str) -> float | None:
    """One slice of a group, None where no price is known."""
    if group.accelerator:
        return slice_price(group.accelerator, capacity, zone)
    return vm_price(group.machine_type, capacity, zone)


def slice_price(accelerator: str, capacity: Capacity, zone: str) -> float | None:
    """A TPU slice, None where no price is known."""
    made = CATALOGUE.get(accelerator)
    if made is None:
        return None
    region = region_of(zone)
    if capacity is Capacity.SPOT:
        chip = _SPOT.get(made.family, {}).get(region)
    else:
        prices = _ON_DEMAND.get(made.family, {})
        chip = prices.get(region, prices.get(""))
    return None if chip is None else chip * made.chips


def vm_price(machine_type: str, capacity: Capacity, zone: str) -> float | None:
    """A plain VM on demand, None where no price is known."""
    size = machine_size(machine_type)
    if size is None or capacity is Capacity.SPOT:
        return None
    if not machine_type.startswith(_ORDINARY):
        return None
    return size.cpus * _CPU.get(region_of(zone), _CPU[""])


def disk_price(disk_type: str, size_bytes: int) -> float | None:
    """A disk, None where no price is known."""
    price = _DISK.get(disk_type)
    return None if price is None else price * -(-size_bytes // _GIB) / _MONTH
