"""The accelerator catalogue: what a slice of each type is made of."""

from __future__ import annotations

from difflib import get_close_matches
from math import prod

import msgspec

from iris.domain.resources import Resources
from iris.errors import NotThere

GB = 1_000_000_000


class Accelerator(msgspec.Struct, frozen=True):
    """One type of slice; `vm` is what one of its VMs has."""

    type: str
    family: str
    topology: str
    chips: int  # of the whole slice
    vms: int
    vm: Resources
    hbm_bytes: int  # of one chip
    runtime_version: str  # the one to ask for unless the cluster file says more


class Family(msgspec.Struct, frozen=True):
    """Types that share a chip; sizes of its VMs by the number of chips in one."""

    name: str
    cores_in_suffix: int  # the number in a type's name counts these for each chip
    topologies: tuple[str, ...]
    vm_by_chips: dict[int, Resources]
    hbm_bytes: int
    runtime_version: str


_UBUNTU = "tpu-ubuntu2204-base"
_SQUARES = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_CUBES = (
    *("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8"),
    *("4x8x8", "8x8x8", "8x8x16", "8x16x16"),
)


def _vm(chips: int, cpus: int, memory_gb: int) -> Resources:
    return Resources(float(cpus), memory_gb * GB, chips)


# Sizes as Google's documentation gives them; memory in decimal gigabytes, so that
# no VM promises more than it has.
FAMILIES = (
    Family(
        name="v2",
        cores_in_suffix=2,
        topologies=("2x2", "4x4", "8x8", "8x16", "16x16"),
        vm_by_chips={4: _vm(4, 96, 334)},
        hbm_bytes=16 * GB,
        runtime_version=_UBUNTU,
    ),
    Family(
        name="v3",
        cores_in_suffix=2,
        topologies=(*("2x2", "4x4", "4x8", "8x8", "8x16", "16x16", "16x32", "32x32"),),
        vm_by_chips={4: _vm(4, 96, 334)},
        hbm_bytes=32 * GB,
        runtime_version=_UBUNTU,
    ),
    Family(
        name="v4",
        cores_in_suffix=2,
        topologies=_CUBES,
        vm_by_chips={4: _vm(4, 240, 407)},
        hbm_bytes=32 * GB,
        runtime_version=_UBUNTU,
    ),
    Family(
        name="v5litepod",
        cores_in_suffix=1,
        topologies=_SQUARES,
        vm_by_chips={1: _vm(1, 24, 48), 4: _vm(4, 112, 192), 8: _vm(8, 224, 384)},
        hbm_bytes=16 * GB,
        runtime_version="v2-alpha-tpuv5-lite",
    ),
    Family(
        name="v5p",
        cores_in_suffix=2,
        topologies=(*_CUBES, "16x16x16", "16x16x24"),
        vm_by_chips={4: _vm(4, 208, 448)},
        hbm_bytes=95 * GB,
        runtime_version="v2-alpha-tpuv5",
    ),
    Family(
        name="v6e",
        cores_in_suffix=1,
        topologies=_SQUARES,
        vm_by_chips={1: _vm(1, 44, 176), 4: _vm(4, 180, 720), 8: _vm(8, 360, 1440)},
        hbm_bytes=32 * GB,
        runtime_version="v2-alpha-tpuv6e",
    ),
)


def _of(family: Family, topology: str) -> Accelerator:
    chips = prod(int(side) for side in topology.split("x"))
    # one VM holds a slice of up to 8 chips where the family has such a VM;
    # slices of several VMs always have 4 chips in each
    in_one_vm = chips if chips in family.vm_by_chips else 4
    return Accelerator(
        type=f"{family.name}-{chips * family.cores_in_suffix}",
        family=family.name,
        topology=topology,
        chips=chips,
        vms=chips // in_one_vm,
        vm=family.vm_by_chips[in_one_vm],
        hbm_bytes=family.hbm_bytes,
        runtime_version=family.runtime_version,
    )


CATALOGUE: dict[str, Accelerator] = {
    made.type: made for f in FAMILIES for made in (_of(f, t) for t in f.topologies)
}


def find_accelerator(type_name: str) -> Accelerator:
    """The catalogue's entry. Raises NotThere with the nearest type in the hint."""
    found = CATALOGUE.get(type_name)
    if found is None:
        raise NotThere(
            f"there is no accelerator {type_name!r}",
            hint=f"The nearest that exists is {nearest_accelerator(type_name)}.",
        )
    return found


def nearest_accelerator(type_name: str) -> str:
    """The type whose name looks most like this one."""
    # a size that a family lacks: its smallest type that is at least as large
    family, _, size = type_name.lower().rpartition("-")
    family = {"v5e": "v5litepod", "v5lite": "v5litepod"}.get(family, family)
    types = [made for made in CATALOGUE.values() if made.family == family]
    if types and size.isdecimal():
        larger = [t.type for t in types if int(t.type.rpartition("-")[2]) >= int(size)]
        return larger[0] if larger else types[-1].type
    return get_close_matches(type_name.lower(), CATALOGUE, n=1, cutoff=0.0)[0]


def region_of(zone: str) -> str:
    """`europe-west4-b` lies in `europe-west4`; a zone without one is its own."""
    region, dash, letter = zone.rpartition("-")
    return region if dash and len(letter) == 1 else zone
