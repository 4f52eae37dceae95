"""What Cloud TPU takes and refuses, call by call, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iris.clock import VirtualClock
from iris.emulator.core import Core, Delays
from iris.emulator.errors import Refusal
from iris.emulator.tpu.operations import RETENTION, Operations
from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.eventually import eventually
from tests.support.fake_driver import FakeDriver
from tests.support.tpus import (
    BODY,
    accepted,
    ask_for,
    create,
    ended,
    get,
    names_in,
    ready,
)

PLACE = f"projects/{PROJECT}/locations/{ZONE}"


def patch(cloud: Cloud, mask: str, body: dict[str, Any]) -> Any:
    return cloud.ask("PATCH", f"{cloud.tpus}/nodes/s-1?updateMask={mask}", body)


def act(cloud: Cloud, verb: str) -> Any:
    return cloud.ask("POST", f"{cloud.tpus}/nodes/s-1:{verb}", {})


def refusal_of(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["status"], error["message"]


# -- creates -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"iris": "UPPER!"}},
        {"labels": {"Iris": "eu"}},
        {"labels": {"1st": "eu"}},
        {"labels": {"iris": "e" * 64}},
        {"labels": {f"l{i}": "" for i in range(65)}},
        {"labels": "iris"},
        {"labels": {"iris": 3}},
        {"metadata": {"a key": "word"}},
        {"metadata": {"startup-script": "#" * 300_000}},
        {"metadata": {f"k{i}": "#" * 250_000 for i in range(3)}},
        {"metadata": [{"key": "a", "value": "b"}]},
        {"tags": "iris"},
        {"tags": [7]},
        {"description": ["long"]},
        {"schedulingConfig": "spot"},
        {"networkConfig": [1]},
        {"runtimeVersion": ""},
        {"acceleratorType": ""},
    ],
)
def test_a_body_that_google_does_not_take_is_refused(cloud: Cloud, changes):
    status, rpc, words = refusal_of(ask_for(cloud, **changes))

    assert (status, rpc) == (400, "INVALID_ARGUMENT")
    assert "Internal" not in words
    assert names_in(cloud) == []


@pytest.mark.parametrize("name", ["", "a%20b", "n" * 64, "a%2Fb", "näme"])
@pytest.mark.parametrize("kind", ["nodes?nodeId", "queuedResources?queuedResourceId"])
def test_a_name_that_nothing_may_have_is_refused(cloud: Cloud, kind: str, name: str):
    spec = {"nodeId": "s-1", "node": BODY}
    body = BODY | {"tpu": {"nodeSpec": [spec]}}

    answer = cloud.ask("POST", f"{cloud.tpus}/{kind}={name}", body)

    assert answer.status_code == 400


def test_labels_as_google_takes_them_are_taken(cloud: Cloud):
    labels = {"iris-uid": "c-1", "é": "", "k" * 63: "v_" + "1" * 61}

    assert ready(cloud, labels=labels)["labels"] == labels


def test_metadata_of_half_a_megabyte_travels_with_a_slice(cloud: Cloud):
    ready(cloud, metadata={each: each * 256_000 for each in "ab"})

    attributes = next(iter(cloud.driver.up.values())).attributes
    assert [len(attributes[each]) for each in "ab"] == [256_000] * 2


def test_a_zone_without_tpus_says_so(cloud: Cloud):
    url = f"{cloud.url}/v2/projects/{PROJECT}/locations/europe-west1-b/nodes?nodeId=s"

    status, _, words = refusal_of(cloud.ask("POST", url, BODY))

    assert status == 400
    assert 'The requested zone "europe-west1-b" is not supported. [EID' in words


def test_a_taken_name_is_told_in_its_words_whatever_its_holder_does(cloud: Cloud):
    ready(cloud)
    cloud.fault("preemption")
    eventually(lambda: get(cloud)["state"] == "PREEMPTED")
    cloud.core.delays = Delays(tpu_delete=3600.0)

    preempted = refusal_of(ask_for(cloud))
    accepted(cloud.ask("DELETE", f"{cloud.tpus}/nodes/s-1"))
    deleting = refusal_of(ask_for(cloud))

    words = f"Resource '{PLACE}/nodes/s-1' already exists"
    assert preempted == deleting == (409, "ALREADY_EXISTS", words)


def test_a_permission_that_was_taken_away_is_told_with_its_place(cloud: Cloud):
    denial = {"email": "owner@example.com", "permission": "tpu.nodes.list"}
    cloud.admin("POST", "rights", denial | {"deny": True})

    found = refusal_of(cloud.ask("GET", f"{cloud.tpus}/nodes"))

    assert found == (
        403,
        "PERMISSION_DENIED",
        f"Permission 'tpu.nodes.list' denied on '{PLACE}' (or it may not exist).",
    )


# -- changes -------------------------------------------------------------------------


def test_nothing_is_changed_while_a_slice_comes_up(cloud: Cloud):
    cloud.core.delays = Delays(tpu_ready=3600.0)
    create(cloud)

    status, rpc, words = refusal_of(patch(cloud, "labels", {"labels": {}}))

    assert (status, rpc) == (400, "FAILED_PRECONDITION")
    assert "update is not supported while in state CREATING" in words


def test_an_operation_under_way_bars_another(cloud: Cloud):
    cloud.fault("late-operation")
    create(cloud)
    eventually(lambda: get(cloud)["state"] == "READY")

    found = refusal_of(patch(cloud, "labels", {"labels": {}}))

    assert found == (409, "ABORTED", "unable to queue the operation")


def test_only_what_the_mask_names_is_changed(cloud: Cloud):
    ready(cloud, description="first", tags=["a"])
    body = {"labels": {"iris-cluster": "us"}, "description": "second", "tags": ["b"]}

    done = ended(cloud, accepted(patch(cloud, "labels,tags", body)))

    tpu = get(cloud)
    assert done["metadata"]["verb"] == "update"
    assert done["response"]["labels"] == tpu["labels"] == {"iris-cluster": "us"}
    assert (tpu["description"], tpu["tags"]) == ("first", ["b"])


def test_a_field_that_is_masked_and_missing_becomes_empty(cloud: Cloud):
    ready(cloud, description="first", tags=["a"])

    accepted(patch(cloud, "description,tags,labels", {}))

    tpu = get(cloud)
    assert [tpu[each] for each in ("description", "tags", "labels")] == ["", [], {}]


@pytest.mark.parametrize(
    "mask", ["network_config.enable_external_ips", "networkConfig.enableExternalIps"]
)
def test_external_addresses_are_taken_away_and_nothing_else(cloud: Cloud, mask: str):
    ready(cloud, networkConfig={"network": "n", "enableExternalIps": True})

    accepted(patch(cloud, mask, {"networkConfig": {"enableExternalIps": False}}))

    tpu = get(cloud)
    assert tpu["networkConfig"] == {"network": "n", "enableExternalIps": False}
    assert not any("accessConfig" in each for each in tpu["networkEndpoints"])
    assert {vm.external_ip for vm in cloud.driver.up.values()} == {""}


@pytest.mark.parametrize("mask", ["", "acceleratorType", "labels.iris", "state,labels"])
def test_a_mask_that_names_what_cannot_change_is_refused(cloud: Cloud, mask: str):
    ready(cloud)

    assert patch(cloud, mask, {"labels": {}}).status_code == 400


def test_labels_that_google_does_not_take_are_no_change_either(cloud: Cloud):
    ready(cloud)

    assert patch(cloud, "labels", {"labels": {"a": "B"}}).status_code == 400
    assert get(cloud)["labels"] == BODY["labels"]


# -- power ---------------------------------------------------------------------------


def test_a_single_vm_is_stopped_and_started_through_its_states(cloud: Cloud):
    ready(cloud, acceleratorType="v5litepod-8")
    cloud.core.delays = Delays(vm_stopping=0.3, vm_staging=0.3)

    stop = accepted(act(cloud, "stop"))
    stopping = get(cloud)["state"]
    stopped = ended(cloud, stop)["response"]["state"]
    down = dict(cloud.driver.up)
    start = accepted(act(cloud, "start"))
    starting = get(cloud)["state"]
    started = ended(cloud, start)["response"]["state"]

    assert [stopping, stopped] == ["STOPPING", "STOPPED"]
    assert [starting, started] == ["STARTING", "READY"]
    assert (down, len(cloud.driver.up)) == ({}, 1)


def test_one_that_was_taken_cannot_be_stopped_and_started_into_life(cloud: Cloud):
    ready(cloud, acceleratorType="v5litepod-8")
    cloud.fault("preemption")
    eventually(lambda: get(cloud)["state"] == "PREEMPTED")

    found = [act(cloud, verb).status_code for verb in ("stop", "start")]

    assert found == [400, 400]
    assert get(cloud)["state"] == "PREEMPTED"


def test_one_that_runs_is_not_started_again(cloud: Cloud):
    ready(cloud, acceleratorType="v5litepod-8")

    status, rpc, words = refusal_of(act(cloud, "start"))

    assert (status, rpc) == (400, "FAILED_PRECONDITION")
    assert "start is not supported while in state READY" in words


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
