"""Inserts of Compute Engine: what they make, and what a refused one leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import ZONE, Cloud
from tests.support.vms import (
    NEW,
    accepted,
    ask_for,
    done,
    get,
    names_in,
    running,
    state_disk,
)


@pytest.mark.parametrize("other", ["missing", "held", "state"])
def test_a_refused_insert_leaves_nothing_behind(cloud: Cloud, other: str):
    state = state_disk(cloud)
    held = state_disk(cloud, "held")
    running(cloud, name="holder", disks=[NEW, held])
    addressed, operations = cloud.driver.addressed, names_in(cloud, "operations")

    second = {"source": f"zones/{ZONE}/disks/{other}"}
    refused = ask_for(cloud, "?requestId=r-1", disks=[NEW, state, second])

    assert refused.status_code in (400, 404)
    assert "users" not in get(cloud, "disks/state")
    assert names_in(cloud, "disks") == ["held", "holder", "state"]
    assert names_in(cloud, "operations") == operations
    assert cloud.driver.addressed == addressed
    again = ask_for(cloud, "?requestId=r-1", disks=[NEW, state])
    assert again.status_code == 200


def test_a_new_disk_whose_name_is_taken_makes_no_vm(cloud: Cloud):
    state = state_disk(cloud)
    state_disk(cloud, "own")
    fresh = {"boot": True, "initializeParams": {"diskName": "own"}}

    refused = ask_for(cloud, disks=[state, fresh])

    assert refused.status_code == 409
    assert "users" not in get(cloud, "disks/state")
    assert names_in(cloud, "instances") == []


def test_new_disks_without_a_name_are_named_after_their_vm(cloud: Cloud):
    vm = running(cloud, disks=[NEW, NEW | {"boot": False}])

    disks = [each["source"].rpartition("/")[2] for each in vm["disks"]]
    assert disks == names_in(cloud, "disks") == ["vm-1", "vm-1-1"]


def test_stockouts_keep_no_address_and_no_disk(cloud: Cloud):
    cloud.driver.room = 1
    state = state_disk(cloud)
    for _ in range(3):
        cloud.fault("stockout", api="compute")
        operation = done(cloud, accepted(ask_for(cloud, disks=[NEW, state])))
        (error,) = operation["error"]["errors"]
        assert error["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED"

    assert names_in(cloud, "disks") == ["state"]
    assert running(cloud, disks=[NEW, state])["status"] == "RUNNING"


def test_a_full_network_is_a_stockout(cloud: Cloud):
    cloud.driver.room = 0

    operation = done(cloud, accepted(ask_for(cloud)))

    (error,) = operation["error"]["errors"]
    assert error["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED"
    assert names_in(cloud, "instances") == names_in(cloud, "disks") == []


def test_a_disk_is_not_attached_twice_to_one_vm(cloud: Cloud):
    state = state_disk(cloud)
    running(cloud)
    url = f"{cloud.zone}/instances/vm-1/attachDisk"

    first = cloud.ask("POST", url, state | {"mode": "READ_ONLY"})
    second = cloud.ask("POST", url, state)
    nothing = cloud.ask("POST", url, {})

    assert [each.status_code for each in (first, second, nothing)] == [200, 400, 400]
    assert [each["mode"] for each in get(cloud)["disks"]] == ["READ_WRITE", "READ_ONLY"]
    assert get(cloud)["disks"][1]["deviceName"] == "state"


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"iris": "UPPER!"}},
        {"labels": "iris"},
        {"metadata": {"items": [{"value": "without a key"}]}},
        {"metadata": {"items": "startup-script"}},
        {"metadata": "startup-script"},
        {"networkInterfaces": "default"},
        {"serviceAccounts": ["default"]},
        {"disks": ["boot"]},
        {"disks": [NEW | {"diskSizeGb": "many"}]},
        {"disks": [NEW | {"initializeParams": {"diskName": "BAD NAME!"}}]},
        {"name": "v" * 64},
    ],
)
def test_a_body_that_google_does_not_take_is_refused(cloud: Cloud, changes: Any):
    answer = ask_for(cloud, **changes)

    assert answer.status_code == 400, answer.text
    assert names_in(cloud, "instances") == names_in(cloud, "disks") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "BAD NAME!"},
        {"name": "d-1", "sizeGb": "many"},
        {"name": "d-1", "sizeGb": "-1"},
        {"name": "d-1", "labels": {"a": "B"}},
        {"name": "d-1", "labels": "word"},
    ],
)
def test_a_disk_that_cannot_be_is_refused(cloud: Cloud, body: dict[str, Any]):
    assert cloud.ask("POST", f"{cloud.zone}/disks", body).status_code == 400


@pytest.mark.parametrize("start", ["x", "-1"])
def test_a_console_is_read_from_a_number_on(cloud: Cloud, start: str):
    running(cloud)

    url = f"{cloud.zone}/instances/vm-1/serialPort?start={start}"

    assert cloud.ask("GET", url).status_code == 400


def test_labels_are_changed_to_such_as_google_takes(cloud: Cloud):
    vm = running(cloud)
    url = f"{cloud.zone}/instances/vm-1/setLabels"
    body = {"labelFingerprint": vm["labelFingerprint"], "labels": {"a": "B"}}

    assert cloud.ask("POST", url, body).status_code == 400
