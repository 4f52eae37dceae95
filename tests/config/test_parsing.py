"""A cluster file is read strictly, and every fault names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.config import (
    differences,
    find_config,
    from_dict,
    load_config,
    parse_config,
    to_dict,
)
from iris.domain.jobs import Capacity
from iris.domain.resources import Resources
from iris.errors import BadClusterFile
from iris.paths import examples_folder

MINIMAL = """\
name: mine
provider: {local: {}}
scale_groups:
  cpu: {cpus: 4, memory: 8GB}
"""


def fault_of(text: str) -> str:
    with pytest.raises(BadClusterFile) as caught:
        parse_config(text, "mine.yaml")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
    return str(caught.value)


def with_group(words: str) -> str:
    return MINIMAL.replace("cpus: 4, memory: 8GB", words)


def test_defaults_fill_what_a_minimal_file_leaves_out():
    config = parse_config(MINIMAL)

    assert config.provider.kind == "local"
    assert config.controller.port == 10000
    assert config.worker.lost_after == 60.0
    (group,) = config.groups()
    assert group.resources == Resources(4.0, 8_000_000_000, 0)
    assert group.zones == ("local",)
    assert group.scale_down_delay == 300.0
    assert (group.min_slices, group.max_slices, group.vms) == (0, 1, 1)


def test_the_shape_of_a_tpu_group_follows_from_the_catalogue():
    (group,) = parse_config(with_group("accelerator: v5litepod-16")).groups()

    assert (group.vms, group.topology) == (4, "4x4")
    assert group.resources == Resources(112.0, 192_000_000_000, 4)
    assert group.runtime_version == "v2-alpha-tpuv5-lite"


def test_a_machine_type_says_how_large_a_plain_vm_is():
    (group,) = parse_config(with_group("machine_type: n2-highmem-8")).groups()

    assert group.resources == Resources(8.0, 64_000_000_000, 0)
    assert group.machine_type == "n2-highmem-8"


def test_every_key_of_a_group_acts():
    text = with_group(
        "accelerator: v5p-8, runtime_version: other, zones: [a-b, c-d], "
        "capacity: spot, min_slices: 1, max_slices: 3, priority: -5, "
        "labels: {team: x}, scale_down_delay: 1m, create_timeout: 2m, "
        "boot_timeout: 3m, delete_timeout: 4m"
    )

    (group,) = parse_config(text).groups()

    assert group.runtime_version == "other"
    assert group.zones == ("a-b", "c-d")
    assert group.capacity is Capacity.SPOT
    assert (group.min_slices, group.max_slices, group.priority) == (1, 3, -5)
    assert group.labels == {"team": "x"}
    delays = group.scale_down_delay, group.create_timeout
    assert delays == (60.0, 120.0)
    assert (group.boot_timeout, group.delete_timeout) == (180.0, 240.0)


def test_a_group_takes_the_scale_down_delay_of_the_autoscaler():
    config = parse_config(f"{MINIMAL}autoscaler: {{scale_down_delay: 7s}}\n")

    assert config.groups()[0].scale_down_delay == 7.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "mine.yaml: empty; expected at least name, provider"),
        ("# nothing\n", "mine.yaml: empty"),
        ("- a\n- b\n", "expected a mapping of keys to values, got a list"),
        ("[]", "got an empty list"),
        ("words", "got 'words'"),
        ("\0\1\2", "mine.yaml: not YAML"),
        ("a: b: c", "line 1: mapping values are not allowed"),
        ("a: 1\n---\nb: 2\n", "line 2: "),
        ("!!python/object:os.system x", "line 1: could not determine"),
        ("[" * 50_000, "more than 20 levels deep"),
        ("[" * 21 + "]" * 21, "more than 20 levels deep"),
        ("[" * 20 + "]" * 20, "expected a mapping of keys to values, got a list"),
        ("a: &a [*a]", "a: unknown key"),
        ("x" * 300_000, "larger than"),
        ("name: mine\n", "the key 'provider' is missing"),
        (f"{MINIMAL}name: other\n", "line 5: the key 'name' stands twice, first in"),
        (f"{MINIMAL}worked: {{}}\n", "worked: unknown key; the nearest is 'worker'"),
        (f"{MINIMAL}1: 2\n", "1: unknown key; known here: name, provider"),
        (MINIMAL.replace("local", "gcp"), "provider/gcp: the key 'project' is missing"),
        (MINIMAL.replace("local: {}", ""), "provider: expected exactly one of: local"),
        (MINIMAL.replace("mine", "Mine"), "name: expected 1 to 30 lower-case"),
        (MINIMAL.replace("mine", "x" * 31), "name: expected 1 to 30 lower-case"),
        (MINIMAL.replace("mine", "mine-"), "name: expected 1 to 30 lower-case"),
        (MINIMAL.replace("mine", "12"), "name: expected 1 to 30"),
        (MINIMAL.replace("cpu:", "CPU:"), "scale_groups: expected a name of lower"),
        (MINIMAL.replace("cpu:", f"{'c' * 60}:"), "a name of at most 49 letters"),
        (f"{MINIMAL}  a-b: {{cpus: 1, memory: 1GB}}\n  a_b: {{cpus: 1, memory: 1GB}}\n",
         "differs from 'a-b' in more than - and _"),
        ("name: a\nprovider: {local: {}}\nscale_groups: {}\n", "at least one name"),
        (f"{MINIMAL}controller: {{port: 70000}}\n", "controller/port: expected a port"),
        (f"{MINIMAL}controller: {{port: yes}}\n", "got True"),
        (f"{MINIMAL}worker: {{runtime: proces}}\n", "worker/runtime: expected one of"),
        (f"{MINIMAL}worker: {{lost_after: 5s}}\n", "more than suspect_after 15s, got"),
        (f"{MINIMAL}worker: {{lost_after: 90}}\n", "expected a duration of 2s or more"),
        (f"{MINIMAL}worker: 5\n", "worker: expected a mapping of keys to values"),
        (f"{MINIMAL}retention: {{events: 5}}\n", "a whole number of 1000 or more"),
    ],
)  # fmt: skip
def test_a_fault_of_the_file_is_one_line_that_names_its_place(text: str, words: str):
    assert words in fault_of(text)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("accelerator: v5e-16", "(the nearest is v5litepod-16), got 'v5e-16'"),
        ("accelerator: v5litepod-16, cpus: 4", "/cpus: expected nothing beside accel"),
        ("accelerator: v4-8, machine_type: n2-standard-4", "/machine_type: expected n"),
        ("machine_type: n2-standart-4", "expected a machine type such as n2-stand"),
        ("machine_type: n2-standard-4, cpus: 4", "nothing beside machine_type"),
        ("cpus: 4", "/memory: expected accelerator, or machine_type, or both cpus"),
        ("memory: 4GB", "/cpus: expected accelerator, or machine_type, or both"),
        ("max_slices: 1", "/cpus: expected accelerator"),
        ("cpus: -4, memory: 8GB", "/cpus: expected a number above 0, got -4"),
        ("cpus: .nan, memory: 8GB", "/cpus: expected a number above 0, got nan"),
        ("cpus: 4, memory: 8", "/memory: expected a size above 0 such as 512MB"),
        ("cpus: 4, memory: -8GB", "got '-8GB'"),
        ("cpus: 4, memory: 8gigs", "got '8gigs'"),
        ("cpus: 4, memory: 0GB", "got '0GB'"),
        ("accelerator: v4-8, max_slices: many",
         "mine.yaml: scale_groups/cpu/max_slices: expected a whole number above 0, "
         "got 'many'"),
        ("accelerator: v4-8, max_slices: -1", "a whole number above 0, got -1"),
        ("accelerator: v4-8, min_slices: 2", "/min_slices: expected at most max_sl"),
        ("accelerator: v4-8, min_slices: -1", "a whole number of 0 or more, got -1"),
        ("accelerator: v4-8, zones: []", "/zones: expected a list"),
        ("accelerator: v4-8, zones: a-b", "/zones: expected a list"),
        ("accelerator: v4-8, zones: [a-b, a-b]", "/zones/1: expected each item once"),
        ("accelerator: v4-8, zones: [A]", "/zones/0: expected a zone such as"),
        ("accelerator: v4-8, capacity: cheap", "expected one of on-demand, spot"),
        ("accelerator: v4-8, labels: {a: 1}", "/labels/a: expected text"),
        ("accelerator: v4-8, labels: [a]", "/labels: expected a mapping of names"),
        ("accelerator: v4-8, boot_timeout: 5 minutes", "/boot_timeout: expected a du"),
        ("accelerator: v4-8, boot_timeout: 5m5", "/boot_timeout: expected a duration"),
        ("accelerator: v4-8, max_slice: 4", "unknown key; the nearest is 'max_slices'"),
        ("accelerator: v4-8, capacity: " + "x" * 500, "xxx..."),
    ],
)  # fmt: skip
def test_a_fault_of_a_group_is_one_line_that_names_its_place(group: str, words: str):
    fault = fault_of(with_group(group))

    assert words in fault
    assert fault.startswith("mine.yaml: scale_groups/cpu")


def test_containers_want_an_image_for_jobs_that_name_none():
    text = "name: a\nprovider: {local: {}}\nworker: {runtime: docker}\n"
    fault = fault_of(text + "scale_groups: {cpu: {cpus: 1, memory: 1GB}}\n")

    assert "worker/image: expected a container image for jobs that name none" in fault


def test_a_binary_file_is_refused(tmp_path: Path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\x7fELF\x80\xff\xfe")

    with pytest.raises(BadClusterFile, match=r"byte 4 is not UTF-8 text"):
        load_config(path)


def test_an_endless_file_is_refused():
    with pytest.raises(BadClusterFile, match="larger than"):
        load_config("/dev/zero")


def test_a_file_that_is_not_there_says_where_it_was_looked_for():
    with pytest.raises(BadClusterFile, match=r"no such file, here or in") as caught:
        find_config("locl.yaml")

    assert "local.yaml" in caught.value.hint


def test_a_folder_is_not_a_cluster_file(tmp_path: Path):
    with pytest.raises(BadClusterFile, match="a folder"):
        find_config(tmp_path)


def test_a_path_as_given_comes_before_the_examples(tmp_path: Path):
    mine = tmp_path / "local.yaml"
    mine.write_text(MINIMAL)

    assert find_config(mine) == mine
    assert find_config("local.yaml") == examples_folder() / "local.yaml"


@pytest.mark.parametrize("path", sorted(examples_folder().glob("*.yaml")), ids=str)
def test_every_example_is_a_sound_cluster_file(path: Path):
    config = load_config(path)

    assert config.groups()
    assert from_dict(to_dict(config)) == config


def test_the_smallest_useful_file_has_fewer_than_12_lines():
    assert len((examples_folder() / "minimal.yaml").read_text().splitlines()) < 12


def test_differences_name_each_key_that_changed():
    old = parse_config(MINIMAL)
    new = parse_config(with_group("cpus: 8, memory: 8GB, max_slices: 2"))

    assert differences(old, old) == ()
    assert differences(old, new) == (
        "scale_groups/cpu/cpus: 4.0 -> 8.0",
        "scale_groups/cpu/max_slices: 1 -> 2",
    )
