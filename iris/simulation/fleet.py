"""The cluster file of every simulation, as scale groups."""

from __future__ import annotations

from iris.domain.accelerators import find_accelerator
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.domain.resources import Resources, UserLimits
from iris.simulation.world import MINUTE

GB = 1_000_000_000
ZONES = ("west-a", "west-b")

CPU = ScaleGroup(
    name="cpu",
    accelerator="",
    vms=1,
    resources=Resources(cpus=64, memory_bytes=256 * GB),
    zones=ZONES,
    capacity=Capacity.ON_DEMAND,
    min_slices=1,
    max_slices=3,
    priority=200,
    labels={},
    scale_down_delay=10 * MINUTE,
    create_timeout=15 * MINUTE,
    boot_timeout=10 * MINUTE,
    delete_timeout=15 * MINUTE,
)


def _tpu(name: str, accelerator: str, most: int, capacity: Capacity) -> ScaleGroup:
    kind = find_accelerator(accelerator)
    return ScaleGroup(
        name=name,
        accelerator=accelerator,
        vms=kind.vms,
        resources=kind.vm,
        zones=ZONES,
        capacity=capacity,
        min_slices=0,
        max_slices=most,
        priority=100,
        labels={},
        scale_down_delay=5 * MINUTE,
        create_timeout=15 * MINUTE,
        boot_timeout=10 * MINUTE,
        delete_timeout=15 * MINUTE,
        topology=kind.topology,
    )


V5E_4 = _tpu("v5e-4", "v5litepod-4", 4, Capacity.ON_DEMAND)
V5E_16 = _tpu("v5e-16", "v5litepod-16", 3, Capacity.SPOT)
LIMITS = UserLimits(chips=24, running_tasks=40, pending_tasks=60)
GROUPS = (CPU, V5E_4, V5E_16)
