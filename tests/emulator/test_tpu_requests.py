"""What Cloud TPU tells: of guests, in lists, by operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iris.clock import VirtualClock
from iris.emulator.core import Core, Delays
from iris.emulator.errors import Refusal
from iris.emulator.tpu.operations import RETENTION, Operations
from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.fake_driver import FakeDriver
from tests.support.tpus import (
    accepted,
    create,
    ended,
    get,
    names_in,
    ready,
)

PLACE = f"projects/{PROJECT}/locations/{ZONE}"


# -- guests --------------------------------------------------------------------------


def guests_of(cloud: Cloud, **body: Any) -> Any:
    return cloud.ask("POST", f"{cloud.tpus}/nodes/s-1:getGuestAttributes", body)


def test_guest_attributes_are_told_worker_by_worker(cloud: Cloud):
    cloud.driver.guests = {"hostkeys": {"ssh-rsa": "k"}, "own": {"key": "v"}}
    ready(cloud)

    rows = [
        accepted(guests_of(cloud, **body))["guestAttributes"]
        for body in ({"workerIds": ["0"]}, {"workerIds": [""]}, {})
    ]
    one = accepted(guests_of(cloud, queryPath="hostkeys/", workerIds=["3"]))

    assert [len(each) for each in rows] == [1, 4, 4]
    assert one["guestAttributes"] == [
        {
            "queryPath": "hostkeys/",
            "queryValue": {
                "items": [{"namespace": "hostkeys", "key": "ssh-rsa", "value": "k"}]
            },
        }
    ]


def test_guests_may_write_unless_they_are_told_otherwise(cloud: Cloud):
    ready(cloud, "s-1")
    ready(cloud, "s-2", metadata={"enable-guest-attributes": "FALSE"})

    said = [v.attributes["enable-guest-attributes"] for v in cloud.driver.up.values()]

    assert said == ["TRUE"] * 4 + ["FALSE"] * 4


@pytest.mark.parametrize("worker", ["4", "-1", "first"])
def test_a_worker_that_there_is_not_is_refused(cloud: Cloud, worker: str):
    ready(cloud)

    assert guests_of(cloud, workerIds=[worker]).status_code == 400


# -- lists ---------------------------------------------------------------------------


def test_a_list_is_read_page_by_page(cloud: Cloud):
    for name in ("s-3", "s-1", "s-2"):
        create(cloud, name)

    first = get(cloud, "nodes?pageSize=2")
    last = get(cloud, f"nodes?pageSize=2&pageToken={first['nextPageToken']}")

    names = [
        [each["name"].rpartition("/")[2] for each in page["nodes"]]
        for page in (first, last)
    ]
    assert names == [["s-1", "s-2"], ["s-3"]]
    assert "nextPageToken" not in last


@pytest.mark.parametrize("query", ["pageToken=nonsense", "pageSize=-1", "pageSize=all"])
def test_a_page_that_cannot_be_is_refused(cloud: Cloud, query: str):
    answer = cloud.ask("GET", f"{cloud.tpus}/nodes?{query}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


def test_a_page_may_be_asked_for_larger_than_there_are(cloud: Cloud):
    create(cloud)

    assert len(get(cloud, "nodes?pageSize=1000000")["nodes"]) == 1


def test_accelerator_types_are_filtered_and_sorted(cloud: Cloud):
    query = "filter=type%3Av5p&orderBy=type%20desc"

    found = get(cloud, f"acceleratorTypes?{query}")["acceleratorTypes"]

    types = [each["type"] for each in found]
    assert types == sorted(types, reverse=True)
    assert all(each.startswith("v5p") for each in types)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("acceleratorTypes/v5litepod-16", "type"),
        ("runtimeVersions/v2-alpha-tpuv5-lite", "version"),
    ],
)
def test_one_of_what_a_zone_offers_is_told_alone(cloud: Cloud, path: str, field: str):
    found = get(cloud, path)

    assert found["name"] == f"{PLACE}/{path}"
    assert found[field] == path.partition("/")[2]
    assert get(cloud, f"{path}-of-old")["error"]["code"] == 404


# -- operations ----------------------------------------------------------------------


def test_an_operation_is_forgotten_a_day_after_its_end(tmp_path: Path):
    clock = VirtualClock()
    core = Core(tmp_path, clock, FakeDriver())
    operations = Operations(core)
    with core.lock:
        over = operations.begin("create", PROJECT, ZONE, f"{PLACE}/nodes/s-1")
        running = operations.begin("create", PROJECT, ZONE, f"{PLACE}/nodes/s-2")
        operations.end(over.id)

        clock.advance(RETENTION + 1)

        assert operations.listed(PROJECT, ZONE) == [running]
        with pytest.raises(Refusal, match="was not found"):
            operations.get(PROJECT, ZONE, over.id)
    core.close()


def test_an_operation_says_what_it_does_and_for_whom(cloud: Cloud):
    done = ended(cloud, create(cloud))

    metadata = done["metadata"]
    assert metadata["target"] == f"{PLACE}/nodes/s-1"
    assert metadata["verb"] == "create"
    assert metadata["createTime"] <= metadata["endTime"]
    assert metadata["cancelRequested"] is False
    assert names_in(cloud, "operations") == [done["name"].rpartition("/")[2]]


def test_a_creation_that_a_deletion_overtook_was_aborted(cloud: Cloud):
    cloud.core.delays = Delays(tpu_ready=3600.0)
    creation = create(cloud)

    deletion = accepted(cloud.ask("DELETE", f"{cloud.tpus}/nodes/s-1"))

    assert ended(cloud, creation)["error"]["code"] == 10
    assert ended(cloud, deletion)["response"]["@type"].endswith("protobuf.Empty")


def test_cancelling_is_noted_and_changes_nothing(cloud: Cloud):
    cloud.core.delays = Delays(tpu_ready=3600.0)
    name = create(cloud)["name"]

    accepted(cloud.ask("POST", f"{cloud.url}/v2/{name}:cancel", {}))

    found = cloud.ask("GET", f"{cloud.url}/v2/{name}").json()
    assert (found["done"], found["metadata"]["cancelRequested"]) == (False, True)
    assert cloud.ask("POST", f"{cloud.url}/v2/{name}x:cancel", {}).status_code == 404
