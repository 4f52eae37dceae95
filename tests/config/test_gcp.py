"""What a cluster file must say for Google Cloud, beside what any file must."""

from __future__ import annotations

import pytest

from iris.config import parse_config
from iris.errors import BadClusterFile

SOUND = """\
name: mine
provider: {gcp: {project: my-project, zone: europe-west4-b}}
controller: {image: there/controller}
worker: {image: there/worker}
scale_groups:
  one: {accelerator: v5litepod-16}
"""


def with_group(words: str) -> str:
    return SOUND.replace("accelerator: v5litepod-16", words)


def test_a_group_without_zones_is_in_the_zone_of_the_provider():
    (group,) = parse_config(SOUND).groups()

    assert group.zones == ("europe-west4-b",)


@pytest.mark.parametrize("capacity", ["on-demand", "spot", "reserved", "queued"])
def test_an_accelerator_is_had_in_every_way(capacity: str):
    words = f"accelerator: v5litepod-16, capacity: {capacity}"

    (group,) = parse_config(with_group(words)).groups()

    assert group.capacity == capacity


@pytest.mark.parametrize(
    ("sizes", "machine_type"),
    [
        ("cpus: 4, memory: 16GB", "n2-standard-4"),
        ("cpus: 3, memory: 4GB", "n2-highcpu-4"),
        ("cpus: 4, memory: 17GB", "n2-highmem-4"),
        ("cpus: 0.5, memory: 500GB", "n2-highmem-64"),
    ],
)
def test_a_plain_vm_sized_by_hand_is_the_smallest_that_has_as_much(
    sizes: str, machine_type: str
):
    (group,) = parse_config(with_group(sizes)).groups()

    assert group.machine_type == machine_type


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOUND.replace("controller: {image: there/controller}\n", ""),
         "controller/image: expected a container image"),
        (SOUND.replace("worker: {image: there/worker}\n", ""),
         "worker/image: expected a container image"),
        (with_group("cpus: 400, memory: 8GB"),
         "scale_groups/one/cpus: expected a machine_type instead: no n2 machine"),
        (with_group("machine_type: n2-standard-4, capacity: queued"),
         "scale_groups/one/capacity: expected on-demand or spot for VMs without"),
        (with_group("machine_type: n2-standard-4, capacity: reserved"),
         "scale_groups/one/capacity: expected on-demand or spot for VMs without"),
    ],
)  # fmt: skip
def test_what_google_cloud_could_not_make_is_a_fault_of_the_file(text: str, words: str):
    with pytest.raises(BadClusterFile) as caught:
        parse_config(text, "mine.yaml")

    assert words in str(caught.value)


def test_a_cluster_of_this_machine_needs_neither_image_nor_machine_type():
    text = "name: a\nprovider: {local: {}}\nscale_groups: {b: {cpus: 1, memory: 1GB}}"

    assert parse_config(text).controller.image == ""
