"""What one VM of a scale group has, by catalogue, machine type or declaration."""

from __future__ import annotations

from typing import Protocol

from iris.domain.accelerators import CATALOGUE
from iris.domain.machine_types import machine_size
from iris.domain.resources import Resources


class Shaped(Protocol):
    """The keys of a scale group that say what its VMs are."""

    @property
    def accelerator(self) -> str: ...
    @property
    def machine_type(self) -> str: ...
    @property
    def cpus(self) -> float: ...
    @property
    def memory(self) -> int: ...


def resources_of(group: Shaped) -> Resources:
    """CPUs, memory and chips of one VM."""
    if group.accelerator:
        return CATALOGUE[group.accelerator].vm
    sized = machine_size(group.machine_type)
    return sized or Resources(cpus=group.cpus, memory_bytes=group.memory)


def objection_to_shape(group: Shaped) -> tuple[str, str] | None:
    """The key at fault and what is expected of it, or None."""
    declared = [key for key in ("cpus", "memory") if getattr(group, key)]
    if group.accelerator:
        typed = [*declared, *(["machine_type"] if group.machine_type else [])]
        words = f"nothing beside accelerator {group.accelerator}, from which it follows"
        return (typed[0], words) if typed else None
    if group.machine_type:
        return _objection_to_machine(group.machine_type, declared)
    if len(declared) == 2:
        return None
    missing = "memory" if declared == ["cpus"] else "cpus"
    return missing, "accelerator, or machine_type, or both cpus and memory"


def _objection_to_machine(
    machine_type: str, declared: list[str]
) -> tuple[str, str] | None:
    if declared:
        return declared[0], f"nothing beside machine_type {machine_type}"
    if machine_size(machine_type) is None:
        return "machine_type", "a machine type such as n2-standard-4"
    return None
