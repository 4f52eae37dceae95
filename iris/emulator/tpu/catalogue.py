"""Which accelerators and runtimes each zone offers, and which quota they use."""

from __future__ import annotations

from math import prod

from iris.domain.accelerators import CATALOGUE, FAMILIES, Accelerator

_FAMILIES_BY_ZONE = {
    "europe-west4-a": ("v2", "v3", "v6e"),
    "europe-west4-b": ("v5litepod", "v5p"),
    "us-central1-a": ("v2", "v3", "v5litepod", "v5p"),
    "us-central1-b": ("v2", "v3", "v6e"),
    "us-central1-c": ("v2", "v3"),
    "us-central2-b": ("v4",),
    "us-east1-c": ("v5litepod",),
    "us-east1-d": ("v6e",),
    "us-east5-a": ("v5p", "v6e"),
    "us-east5-b": ("v5litepod", "v6e"),
    "us-south1-a": ("v5litepod",),
    "us-west1-c": ("v5litepod",),
    "us-west4-a": ("v5litepod",),
}
ZONES = tuple(sorted(_FAMILIES_BY_ZONE))
_CONFIG_TYPES = {
    "v2": "V2",
    "v3": "V3",
    "v4": "V4",
    "v5litepod": "V5LITE_POD",
    "v5p": "V5P",
    "v6e": "V6E",
}
_MACHINES = {
    "v2": "n1-standard-96",
    "v3": "n1-standard-96",
    "v4": "ct4p-hightpu-4t",
    "v5litepod": "ct5lp-hightpu-{chips}t",
    "v5p": "ct5p-hightpu-4t",
    "v6e": "ct6e-standard-{chips}t",
}
_QUOTAS = {
    "v2": "TPUV2s{spot}Pod",
    "v3": "TPUV3s{spot}Pod",
    "v4": "TPUV4s{spot}Pod",
    "v5litepod": "TPUV5s{spot}Litepod",
    "v5p": "TPUV5P{spot}",
    "v6e": "TPUV6E{spot}",
}
_TENSORFLOW = ("2.12.0", "2.13.0", "2.14.0", "2.15.0", "2.16.1", "2.17.0", "2.18.0")


def families_of(zone: str) -> tuple[str, ...]:
    """The families that a zone offers; none where it has no TPUs."""
    return _FAMILIES_BY_ZONE.get(zone, ())


def accelerators_of(zone: str) -> tuple[Accelerator, ...]:
    """What can be asked for in a zone, by name."""
    families = families_of(zone)
    found = [made for made in CATALOGUE.values() if made.family in families]
    return tuple(sorted(found, key=lambda made: (made.family, made.chips)))


def find_type(zone: str, accelerator_type: str, config: dict[str, str]) -> str | None:
    """The type asked for by name or by family and topology, None where it is not."""
    for made in accelerators_of(zone):
        by_config = (config.get("type"), config.get("topology"))
        if accelerator_type == made.type or (
            not accelerator_type and by_config == config_of(made)
        ):
            return made.type
    return None


def config_of(made: Accelerator) -> tuple[str, str]:
    """The type and topology of its acceleratorConfig."""
    return _CONFIG_TYPES[made.family], made.topology


def runtimes_of(zone: str) -> tuple[str, ...]:
    """The runtime versions that a zone offers."""
    families = set(families_of(zone))
    own = {f.runtime_version for f in FAMILIES if f.name in families}
    common = {"tpu-ubuntu2204-base", "tpu-vm-base", "v2-alpha", "v2-nightly"} | {
        f"tpu-vm-tf-{version}{kind}"
        for version in _TENSORFLOW
        for kind in ("", "-pod", "-pjrt", "-pod-pjrt")
    }
    return tuple(sorted(own | common)) if families else ()


def tensorflow_of(zone: str) -> tuple[str, ...]:
    """What v1 of the API lists instead of runtimes."""
    return _TENSORFLOW if families_of(zone) else ()


def machine_type_of(made: Accelerator) -> str:
    """What a VM of it calls its machine type."""
    return _MACHINES[made.family].format(chips=made.chips // made.vms)


def quota_of(made: Accelerator, *, is_spot: bool) -> tuple[str, int]:
    """The id of the quota that a slice uses, and how much of it."""
    words = _QUOTAS[made.family].format(spot="Preemptible" if is_spot else "")
    if made.family == "v5litepod" and made.vms == 1:
        words += "Serving"
    return f"{words}PerProjectPerZoneForTPUAPI", int(made.type.rpartition("-")[2])


def bounds_of(made: Accelerator) -> tuple[str, str]:
    """Chips in one VM, and VMs in the slice, each as `x,y,z`."""
    sides = [int(side) for side in made.topology.split("x")]
    sides += [1] * (3 - len(sides))
    in_one_vm = _shape(made.chips // made.vms)
    vms = [side // here for side, here in zip(sides, in_one_vm, strict=True)]
    assert prod(vms) == made.vms, made
    return ",".join(map(str, in_one_vm)), ",".join(map(str, vms))


def _shape(chips: int) -> tuple[int, int, int]:
    return {1: (1, 1, 1), 4: (2, 2, 1), 8: (2, 4, 1)}[chips]
