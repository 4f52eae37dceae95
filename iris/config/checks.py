"""What must hold between the keys of a cluster file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from iris.config.measures import write_duration
from iris.config.model import ClusterConfig, GroupConfig, Runtime
from iris.config.reading import fault, write_struct
from iris.config.shapes import objection_to_shape, resources_of
from iris.domain.jobs import Capacity
from iris.domain.machine_types import smallest_machine_type

LONGEST_SLICE_NAME = 61
_RANDOM_PART = "-123456"


class Objection(msgspec.Struct, frozen=True):
    """A path of the file, what is expected there, and what stands there."""

    path: str
    expected: str
    got: object


def require_sound(config: ClusterConfig, source: str) -> ClusterConfig:
    """The same cluster file. Raises BadClusterFile at the first objection."""
    for check in CHECKS:
        for found in check(config):
            raise fault(source, found.path, found.expected, found.got)
    return config


def one_provider_is_named(config: ClusterConfig) -> Iterator[Objection]:
    names = config.provider.__struct_fields__
    named = [name for name in names if getattr(config.provider, name) is not None]
    if len(named) != 1:
        expected = f"exactly one of: {', '.join(names)}"
        yield Objection("provider", expected, ", ".join(named) or "none")


def suspicion_comes_before_loss(config: ClusterConfig) -> Iterator[Objection]:
    worker = config.worker
    if worker.lost_after <= worker.suspect_after:
        suspect = write_duration(worker.suspect_after)
        lost = write_duration(worker.lost_after)
        yield Objection("worker/lost_after", f"more than suspect_after {suspect}", lost)


def shapes_are_whole(config: ClusterConfig) -> Iterator[Objection]:
    for path, group in _groups(config):
        found = objection_to_shape(group)
        if found:
            key, expected = found
            yield Objection(f"{path}/{key}", expected, write_struct(group).get(key))


def bounds_are_in_order(config: ClusterConfig) -> Iterator[Objection]:
    for path, group in _groups(config):
        if group.min_slices > group.max_slices:
            expected = f"at most max_slices {group.max_slices}"
            yield Objection(f"{path}/min_slices", expected, group.min_slices)


def slice_names_fit(config: ClusterConfig) -> Iterator[Objection]:
    for name in config.scale_groups:
        most = LONGEST_SLICE_NAME - len(f"{config.name}-{_RANDOM_PART}")
        if len(name) > most:
            expected = f"a name of at most {most} letters beside cluster {config.name}"
            yield Objection("scale_groups", expected, name)


def slice_names_differ(config: ClusterConfig) -> Iterator[Objection]:
    seen: dict[str, str] = {}
    for name in config.scale_groups:
        first = seen.setdefault(name.replace("_", "-"), name)
        if first != name:
            expected = f"a name that differs from {first!r} in more than - and _"
            yield Objection("scale_groups", expected, name)


def images_are_named_on_a_cloud(config: ClusterConfig) -> Iterator[Objection]:
    if config.provider.gcp is None:
        return
    for part in ("controller", "worker"):
        if not getattr(config, part).image:
            expected = "a container image, which provider gcp boots"
            yield Objection(f"{part}/image", expected, "")


def containers_have_an_image(config: ClusterConfig) -> Iterator[Objection]:
    if config.worker.runtime is Runtime.DOCKER and not config.worker.image:
        expected = "a container image for jobs that name none, as runtime is docker"
        yield Objection("worker/image", expected, "")


def plain_vms_are_what_a_cloud_makes(config: ClusterConfig) -> Iterator[Objection]:
    if config.provider.gcp is None:
        return
    for path, group in _groups(config):
        if group.accelerator:
            continue
        if not (group.machine_type or smallest_machine_type(resources_of(group))):
            expected = "a machine_type instead: no n2 machine has so much"
            yield Objection(f"{path}/cpus", expected, group.cpus)
        if group.capacity not in (Capacity.ON_DEMAND, Capacity.SPOT):
            expected = "on-demand or spot for VMs without an accelerator"
            yield Objection(f"{path}/capacity", expected, str(group.capacity))


CHECKS: tuple[Callable[[ClusterConfig], Iterator[Objection]], ...] = (
    one_provider_is_named,
    suspicion_comes_before_loss,
    shapes_are_whole,
    bounds_are_in_order,
    slice_names_fit,
    slice_names_differ,
    images_are_named_on_a_cloud,
    containers_have_an_image,
    plain_vms_are_what_a_cloud_makes,
)


def _groups(config: ClusterConfig) -> Iterator[tuple[str, GroupConfig]]:
    for name, group in config.scale_groups.items():
        yield f"scale_groups/{name}", group
