"""Faults of any request, whichever API it is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.clouds import Clouds
from tests.support.eventually import eventually
from tests.support.tpus import get as tpu_get
from tests.support.tpus import ready

SLICE = {"acceleratorType": "v5litepod-16", "runtimeVersion": "v2-alpha-tpuv5-lite"}
VM = {"name": "vm-1", "machineType": f"zones/{ZONE}/machineTypes/n2-standard-4"}


def create_slice(cloud: Cloud, type_: str = "v5litepod-16"):
    url = f"{cloud.tpus}/nodes?nodeId=s-1"
    return cloud.ask("POST", url, SLICE | {"acceleratorType": type_})


def test_a_request_that_names_a_type_is_struck_by_that_type(cloud: Cloud):
    cloud.fault("unavailable", type="v5litepod-16", times=0)
    cloud.fault("unavailable", type="n2-standard-*", times=0)
    spec = {"nodeId": "q-1", "node": SLICE}

    found = [
        create_slice(cloud),
        create_slice(cloud, "v5litepod-4"),
        cloud.ask("GET", f"{cloud.tpus}/nodes"),
        cloud.ask(
            "POST",
            f"{cloud.tpus}/queuedResources?queuedResourceId=q-1",
            {"tpu": {"nodeSpec": [spec]}},
        ),
        cloud.ask("POST", f"{cloud.zone}/instances", VM),
    ]

    assert [each.status_code for each in found] == [503, 200, 200, 503, 503]


def test_too_many_calls_carry_the_mark_of_a_rate(cloud: Cloud):
    for _ in range(2):
        cloud.fault("rate-limited")

    tpu = cloud.ask("GET", f"{cloud.tpus}/nodes")
    compute = cloud.ask("GET", f"{cloud.zone}/instances")

    (info,) = tpu.json()["error"]["details"]
    assert (tpu.status_code, info["reason"]) == (429, "RATE_LIMIT_EXCEEDED")
    (item,) = compute.json()["error"]["errors"]
    assert (compute.status_code, item["reason"]) == (403, "rateLimitExceeded")


def test_a_permission_that_is_denied_is_told_in_the_words_of_each_api(cloud: Cloud):
    cloud.fault("not-permitted", times=0)
    place = f"projects/{PROJECT}/locations/{ZONE}"
    vms = f"projects/{PROJECT}/zones/{ZONE}/instances"

    words = [
        cloud.ask(verb, url).json()["error"]["message"]
        for verb, url in [
            ("GET", f"{cloud.tpus}/nodes"),
            ("DELETE", f"{cloud.tpus}/nodes/s-1"),
            ("POST", f"{cloud.tpus}/nodes/s-1:stop"),
            ("POST", f"{cloud.zone}/instances/vm-1/stop"),
        ]
    ]

    assert words == [
        f"Permission 'tpu.nodes.list' denied on '{place}' (or it may not exist).",
        f"Permission 'tpu.nodes.delete' denied on '{place}/nodes/s-1' "
        "(or it may not exist).",
        f"Permission 'tpu.nodes.stop' denied on '{place}/nodes/s-1' "
        "(or it may not exist).",
        f"Required 'compute.instances.stop' permission for '{vms}/vm-1'",
    ]


def test_an_operation_may_be_forgotten_before_it_was_asked_for(cloud: Cloud):
    name = create_slice(cloud).json()["name"]
    cloud.fault("operation-forgotten", api="tpu")

    found = [cloud.ask("GET", f"{cloud.url}/v2/{name}") for _ in range(2)]

    assert [each.status_code for each in found] == [404, 200]
    assert found[0].json()["error"]["message"] == f"Resource '{name}' was not found"


def test_who_is_asked_for_rights_is_no_part_of_cloud_tpu(cloud: Cloud):
    cloud.fault("unavailable", api="tpu", times=0)
    url = f"{cloud.url}/v1/projects/{PROJECT}:testIamPermissions"

    answer = cloud.ask("POST", url, {"permissions": ["tpu.nodes.create"]})

    assert answer.json() == {"permissions": ["tpu.nodes.create"]}


def test_what_is_not_there_is_told_in_the_words_of_each_api(cloud: Cloud):
    tpu = cloud.ask("GET", f"{cloud.tpus}/nodes/s-1")
    vm = cloud.ask("GET", f"{cloud.zone}/instances/vm-1")

    assert tpu.json()["error"]["message"] == (
        f"Resource 'projects/{PROJECT}/locations/{ZONE}/nodes/s-1' was not found"
    )
    assert vm.json()["error"]["message"] == (
        f"The resource 'projects/{PROJECT}/zones/{ZONE}/instances/vm-1' was not found"
    )


def test_only_an_unknown_kind_of_fault_is_told_all_kinds(cloud: Cloud):
    unknown = cloud.admin("POST", "faults", {"kind": "flood"}).json()["error"]
    useless = cloud.admin("POST", "faults", {"kind": "small-pages", "zone": "here"})

    assert "kinds are stockout, quota, " in unknown
    assert useless.status_code == 400
    assert useless.json()["error"] == (
        "small-pages: `zone` names nothing here; it may name api"
    )


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    made = Clouds(tmp_path)
    yield made
    made.now.close()


def test_a_restart_forgets_neither_faults_nor_what_struck(clouds: Clouds):
    clouds.now.fault("unavailable", api="tpu", times=2)
    clouds.now.fault("quota", api="tpu")
    first = clouds.now.ask("GET", f"{clouds.now.tpus}/nodes").status_code

    cloud = clouds.restart()

    found = [cloud.ask("GET", f"{cloud.tpus}/nodes").status_code for _ in range(2)]
    assert [first, *found] == [503, 503, 200]
    struck = cloud.admin("GET", "struck").json()["struck"]
    planned = cloud.admin("GET", "faults").json()["planned"]
    assert [each["kind"] for each in struck] == ["unavailable"] * 2
    assert [each["kind"] for each in planned] == ["quota"]


def test_what_was_withdrawn_stays_so_over_a_restart(clouds: Clouds):
    clouds.now.fault("unavailable", times=0)
    clouds.now.admin("DELETE", "faults")

    cloud = clouds.restart()

    assert cloud.admin("GET", "faults").json() == {"planned": []}


def test_a_preemption_planned_for_later_comes_after_a_restart_too(clouds: Clouds):
    clouds.now.fault("preemption", after=1.0, api="tpu")
    ready(clouds.now)

    cloud = clouds.restart()

    eventually(lambda: tpu_get(cloud)["state"] == "PREEMPTED")


def test_a_right_that_was_taken_is_not_back_after_a_restart(clouds: Clouds):
    denial = {"email": "", "permission": "tpu.nodes.list"}
    clouds.now.admin("POST", "rights", denial | {"deny": True})

    cloud = clouds.restart()
    denied = cloud.ask("GET", f"{cloud.tpus}/nodes").status_code
    cloud.admin("POST", "rights", denial)

    assert denied == 403
    assert cloud.ask("GET", f"{cloud.tpus}/nodes").status_code == 200
