"""How large Compute Engine's plain machine types are, from their names."""

from __future__ import annotations

from iris.domain.resources import Resources

GB = 1_000_000_000
# Decimal gigabytes of memory for each CPU, by family and shape.
_MEMORY_PER_CPU = {
    "n1": {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9},
    "n2": {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0},
    "n2d": {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0},
    "n4": {"standard": 4.0, "highmem": 8.0, "highcpu": 2.0},
    "e2": {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0},
    "c2": {"standard": 4.0},
    "c2d": {"standard": 4.0, "highmem": 8.0, "highcpu": 2.0},
    "c3": {"standard": 4.0, "highmem": 8.0, "highcpu": 2.0},
    "c3d": {"standard": 4.0, "highmem": 8.0, "highcpu": 2.0},
    "c4": {"standard": 3.75, "highmem": 7.75, "highcpu": 2.0},
}
_MOST_CPUS = 360
_SIZES = (2, 4, 8, 16, 32, 48, 64, 80, 96)  # CPUs of the n2 family
_SHAPES = ("highcpu", "standard", "highmem")  # the least memory first


def machine_size(machine_type: str) -> Resources | None:
    """What a VM of `n2-standard-4` or its like has; None for an unknown name."""
    family, _, rest = machine_type.partition("-")
    shape, _, count = rest.partition("-")
    memory = _MEMORY_PER_CPU.get(family, {}).get(shape)
    if memory is None or not (count.isascii() and count.isdecimal()):
        return None
    cpus = int(count)
    if not 1 <= cpus <= _MOST_CPUS:
        return None
    return Resources(cpus=float(cpus), memory_bytes=int(cpus * memory * GB))


def smallest_machine_type(wanted: Resources) -> str:
    """The smallest n2 machine that has as much, empty where none has."""
    for cpus in _SIZES:
        for shape in _SHAPES:
            size = machine_size(f"n2-{shape}-{cpus}")
            if size and _has(size, wanted):
                return f"n2-{shape}-{cpus}"
    return ""


def _has(size: Resources, wanted: Resources) -> bool:
    is_wide = size.cpus >= wanted.cpus
    return is_wide and size.memory_bytes >= wanted.memory_bytes
