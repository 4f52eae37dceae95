"""The catalogue against what Google documents."""

from __future__ import annotations

from math import prod

import pytest

from iris.domain.accelerators import (
    CATALOGUE,
    find_accelerator,
    nearest_accelerator,
    region_of,
)
from iris.domain.machine_types import machine_size
from iris.domain.resources import Resources
from iris.errors import NotThere


@pytest.mark.parametrize(
    ("name", "topology", "chips", "vms"),
    [
        ("v2-8", "2x2", 4, 1),
        ("v2-512", "16x16", 256, 64),
        ("v3-2048", "32x32", 1024, 256),
        ("v4-8", "2x2x1", 4, 1),
        ("v4-32", "2x2x4", 16, 4),
        ("v4-4096", "8x16x16", 2048, 512),
        ("v5litepod-1", "1x1", 1, 1),
        ("v5litepod-8", "2x4", 8, 1),
        ("v5litepod-16", "4x4", 16, 4),
        ("v5litepod-256", "16x16", 256, 64),
        ("v5p-8", "2x2x1", 4, 1),
        ("v5p-12288", "16x16x24", 6144, 1536),
        ("v6e-8", "2x4", 8, 1),
        ("v6e-256", "16x16", 256, 64),
    ],
)
def test_a_type_has_its_documented_shape(
    name: str, topology: str, chips: int, vms: int
):
    found = find_accelerator(name)

    assert (found.topology, found.chips, found.vms) == (topology, chips, vms)


def test_every_slice_adds_up():
    for name, found in CATALOGUE.items():
        assert found.type == name
        assert found.vms * found.vm.chips == found.chips
        assert prod(int(side) for side in found.topology.split("x")) == found.chips
        assert found.vms == 1 or found.vm.chips == 4


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("v5e-16", "v5litepod-16"),
        ("V5litepod-16", "v5litepod-16"),
        ("v5litepod-12", "v5litepod-16"),
        ("v5litpod-16", "v5litepod-16"),
        ("v6e-100000", "v6e-256"),
    ],
)
def test_the_nearest_type_is_named(wrong: str, near: str):
    assert nearest_accelerator(wrong) == near
    with pytest.raises(NotThere) as caught:
        find_accelerator(wrong)
    assert near in caught.value.hint


@pytest.mark.parametrize("wrong", ["", "-", "v5litepod", "tpu-", "²-²", "x" * 100])
def test_any_words_have_a_nearest_type(wrong: str):
    assert nearest_accelerator(wrong) in CATALOGUE


def test_a_zone_lies_in_its_region():
    assert region_of("europe-west4-b") == "europe-west4"
    assert region_of("local") == "local"


def test_machine_types_say_their_size():
    assert machine_size("n2-standard-4") == Resources(4.0, 16_000_000_000)
    assert machine_size("n1-standard-1") == Resources(1.0, 3_750_000_000)
    for unknown in ("", "n2", "n2-standard", "n2-standard-x", "z9-standard-4"):
        assert machine_size(unknown) is None
