"""What slices and VMs cost an hour, as the lists say."""

from __future__ import annotations

from datetime import date

import pytest

from iris.domain.jobs import Capacity
from iris.domain.prices import LISTED_ON, disk_price, slice_price, vm_price


@pytest.mark.parametrize(
    ("accelerator", "capacity", "zone", "price"),
    [
        ("v5litepod-16", Capacity.ON_DEMAND, "europe-west4-b", 16 * 1.56),
        ("v5litepod-16", Capacity.SPOT, "europe-west4-b", 16 * 0.61),
        ("v5litepod-8", Capacity.ON_DEMAND, "us-central1-a", 8 * 1.20),
        ("v5p-8", Capacity.ON_DEMAND, "us-east5-a", 4 * 4.20),  # counts cores
        ("v6e-8", Capacity.RESERVED, "europe-west4-a", 8 * 2.97),
        ("v4-8", Capacity.SPOT, "us-central2-b", 4 * 0.92),
    ],
)
def test_a_slice_costs_what_its_chips_cost(accelerator, capacity, zone, price):
    assert slice_price(accelerator, capacity, zone) == pytest.approx(price)


def test_what_no_list_says_has_no_price():
    assert slice_price("v2-8", Capacity.ON_DEMAND, "us-central1-b") is None
    assert slice_price("v4-8", Capacity.SPOT, "europe-west4-b") is None
    assert slice_price("unheard-of", Capacity.SPOT, "europe-west4-b") is None
    assert vm_price("c3-standard-4", Capacity.ON_DEMAND, "europe-west4-b") is None
    assert vm_price("n2-standard-4", Capacity.SPOT, "europe-west4-b") is None


def test_a_plain_vm_costs_what_its_cpus_cost():
    here = vm_price("n2-standard-4", Capacity.ON_DEMAND, "europe-west4-b")
    there = vm_price("n2-standard-4", Capacity.ON_DEMAND, "us-central1-a")

    assert (here, there) == (
        pytest.approx(0.21, abs=0.01),
        pytest.approx(0.19, abs=0.01),
    )


def test_a_disk_costs_what_its_size_does_in_a_month():
    assert disk_price("pd-balanced", 50 << 30) == pytest.approx(5.0 / 730)
    assert disk_price("pd-ssd", (1 << 30) + 1) == pytest.approx(0.34 / 730)
    assert disk_price("hyperdisk-extreme", 1 << 30) is None


def test_the_list_has_a_date():
    assert date.fromisoformat(LISTED_ON).year >= 2026
