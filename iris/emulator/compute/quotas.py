"""How many CPUs a project may have in a region; Google counts those that are on."""

from __future__ import annotations

from collections.abc import Iterable

from iris.emulator.compute.catalogue import machine
from iris.emulator.compute.records import VmRecord
from iris.emulator.errors import Refusal
from iris.emulator.quota import Quota

CPUS = "CPUS"
PREEMPTIBLE_CPUS = "PREEMPTIBLE_CPUS"
_OFF = frozenset({"TERMINATED", "SUSPENDED"})


def require_cpus(quota: Quota, vm: VmRecord, others: Iterable[VmRecord]) -> None:
    """Raises a 403 quotaExceeded where a VM is more than the region's limit."""
    kind, region = _kind(vm), region_of(vm)
    limit = quota.limit(vm.project, region, kind)
    if limit is None:
        return
    alike = (
        each
        for each in others
        if each.project == vm.project
        and (_kind(each), region_of(each)) == (kind, region)
        and each.status not in _OFF
    )
    if _cpus(vm) + sum(map(_cpus, alike)) > limit:
        raise exceeded(vm, kind, limit)


def exceeded(vm: VmRecord, kind: str = CPUS, limit: int = 24) -> Refusal:
    """In Google's words."""
    return Refusal(
        "quota",
        f"Quota '{kind}' exceeded.  Limit: {limit:.1f} in region {region_of(vm)}.",
    )


def region_of(vm: VmRecord) -> str:
    """Where the VM counts."""
    return vm.zone.rpartition("-")[0]


def _kind(vm: VmRecord) -> str:
    return PREEMPTIBLE_CPUS if vm.scheduling.get("preemptible") else CPUS


def _cpus(vm: VmRecord) -> int:
    size = machine(vm.machine_type)
    return size[0] if size else 0
