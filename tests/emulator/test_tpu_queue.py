"""Queued resources: how they wait, are served, lose what they had, and go."""

from __future__ import annotations

from typing import Any

import pytest

from iris.emulator.core import Delays
from iris.emulator.quota import Limit
from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.eventually import eventually
from tests.support.tpus import (
    BODY,
    accepted,
    active,
    ask_for,
    ask_queue,
    delete,
    ended,
    get,
    names_in,
    queue,
    queued_state,
)

QUOTA = "TPUV5sPreemptibleLitepodPerProjectPerZoneForTPUAPI"


def state_of(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = get(cloud, "queuedResources/q-1")["state"]
    return found


def ask_delete(cloud: Cloud, query: str = "") -> Any:
    return cloud.ask("DELETE", f"{cloud.tpus}/queuedResources/q-1{query}")


def test_its_creation_is_over_long_before_it_is_served(cloud: Cloud):
    cloud.core.delays = Delays(queue=3600.0)

    operation = ended(cloud, queue(cloud))

    assert operation["response"]["@type"].endswith("tpu.v2.QueuedResource")
    assert queued_state(cloud) == "WAITING_FOR_RESOURCES"
    assert names_in(cloud) == []


def test_it_fails_when_its_time_to_be_served_is_over(cloud: Cloud):
    cloud.fault("stockout", name="q-1")

    queue(cloud, queueingPolicy={"validUntilDuration": "0.3s"})

    eventually(lambda: queued_state(cloud) == "FAILED")
    assert state_of(cloud)["failedData"]["error"]["code"] == 4
    assert ask_delete(cloud).status_code == 200


def test_it_is_not_served_before_its_time(cloud: Cloud):
    queue(cloud, queueingPolicy={"validAfterDuration": "3600s"})

    eventually(lambda: queued_state(cloud) == "WAITING_FOR_RESOURCES")
    cloud.admin("GET", "ledger")

    assert names_in(cloud) == []


@pytest.mark.parametrize(
    "policy",
    [
        {"validUntilDuration": "soon"},
        {"validUntilTime": "2001-01-01T00:00:00Z"},
        {"validInterval": {"startTime": "2101-01-02", "endTime": "2101-01-01"}},
        "at once",
    ],
)
def test_a_time_that_cannot_come_is_refused(cloud: Cloud, policy: object):
    assert ask_queue(cloud, queueingPolicy=policy).status_code == 400


def test_one_that_finds_no_room_after_all_goes_back_into_the_queue(cloud: Cloud):
    cloud.fault("stockout", name="slice-of-q")
    spec = {"nodeId": "slice-of-q", "node": BODY}

    active(cloud, spec=spec)

    operations = get(cloud, "operations")["operations"]
    codes = [
        each.get("error", {}).get("code", 0)
        for each in sorted(operations, key=lambda o: o["metadata"]["createTime"])
        if each["metadata"]["target"].endswith("/nodes/slice-of-q")
    ]
    assert codes == [8, 0]


def test_a_set_of_slices_knows_its_coordinator(cloud: Cloud):
    many = {"nodeCount": 2, "nodeIdPrefix": "set"}
    active(cloud, spec={"multisliceParams": many, "node": BODY})

    envs = [vm.attributes["tpu-env"] for vm in cloud.driver.up.values()]
    first = next(iter(cloud.driver.up.values())).internal_ip
    assert names_in(cloud) == ["set-0", "set-1"]
    assert all(f"MEGASCALE_COORDINATOR_ADDRESS: '{first}'" in env for env in envs)
    assert {"MEGASCALE_SLICE_ID: '0'" in env for env in envs} == {True, False}
    assert get(cloud, "nodes/set-1")["multisliceNode"] is True


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeId": "s-1", "multisliceParams": {"nodeCount": 2}, "node": BODY},
        {"multisliceParams": {"nodeCount": "many"}, "node": BODY},
        {"multisliceParams": {"nodeCount": -1}, "node": BODY},
        {"nodeId": "s 1", "node": BODY},
        {"nodeId": "s-1", "node": BODY | {"runtimeVersion": ""}},
        {"nodeId": "s-1", "node": ["v5litepod-16"]},
        {},
    ],
)
def test_slices_that_cannot_be_are_refused_at_once(cloud: Cloud, spec: object):
    assert ask_queue(cloud, spec=spec).status_code == 400
    assert names_in(cloud, "queuedResources") == []


def test_a_set_without_room_for_its_second_slice_keeps_none(cloud: Cloud):
    cloud.core.delays = Delays(stockout=0.3)
    cloud.driver.room = 6

    queue(cloud, spec={"multisliceParams": {"nodeCount": 2}, "node": BODY})

    eventually(lambda: queued_state(cloud) == "PROVISIONING")
    eventually(lambda: queued_state(cloud) == "WAITING_FOR_RESOURCES")
    eventually(lambda: names_in(cloud) == [])
    cloud.driver.room = 8
    eventually(lambda: queued_state(cloud) == "ACTIVE")
    assert len(cloud.driver.addressed) == 8


def test_one_whose_slice_has_a_taken_name_fails_and_says_so(cloud: Cloud):
    accepted(ask_for(cloud, "s-1"))

    queue(cloud, spec={"nodeId": "s-1", "node": BODY})

    eventually(lambda: queued_state(cloud) == "FAILED")
    assert state_of(cloud)["failedData"]["error"]["code"] == 6
    assert names_in(cloud) == ["s-1"]


def test_what_waits_holds_its_quota(cloud: Cloud):
    cloud.core.delays = Delays(queue=3600.0)
    cloud.parts.quota.set(Limit(PROJECT, QUOTA, 16))
    queue(cloud)

    refused = [ask_for(cloud, "s-1"), ask_queue(cloud, "q-2")]
    ended(cloud, accepted(ask_delete(cloud, "?force=true")))

    assert [each.status_code for each in refused] == [429, 429]
    assert ask_for(cloud, "s-1").status_code == 200


def test_its_own_place_in_the_quota_is_not_counted_twice(cloud: Cloud):
    cloud.parts.quota.set(Limit(PROJECT, QUOTA, 16))

    active(cloud)

    assert ask_for(cloud, "s-2").status_code == 429


def test_a_set_is_measured_as_a_whole(cloud: Cloud):
    cloud.parts.quota.set(Limit(PROJECT, QUOTA, 16))
    spec = {"multisliceParams": {"nodeCount": 2}, "node": BODY}

    assert ask_queue(cloud, spec=spec).status_code == 429


def test_one_whose_slice_was_deleted_by_hand_is_suspended_by_the_user(cloud: Cloud):
    active(cloud)

    delete(cloud, "nodes/q-1")

    eventually(lambda: queued_state(cloud) == "SUSPENDED")
    assert state_of(cloud)["stateInitiator"] == "USER"
    ended(cloud, accepted(ask_delete(cloud)))
    assert names_in(cloud, "queuedResources") == []


def test_the_service_suspends_one_and_takes_its_slice(cloud: Cloud):
    active(cloud)

    cloud.fault("suspended", name="q-1")

    eventually(lambda: queued_state(cloud) == "SUSPENDED")
    eventually(lambda: get(cloud, "nodes/q-1")["state"] == "PREEMPTED")
    assert state_of(cloud)["stateInitiator"] == "SERVICE"


def test_one_that_is_being_deleted_is_not_deleted_again(cloud: Cloud):
    cloud.core.delays = Delays(tpu_delete=3600.0)
    active(cloud)
    first = accepted(ask_delete(cloud, "?force=true&requestId=r-1"))

    again = accepted(ask_delete(cloud, "?force=true&requestId=r-1"))
    other = ask_delete(cloud, "?force=true")

    assert again["name"] == first["name"]
    assert other.status_code == 409
    assert other.json()["error"]["status"] == "ABORTED"


def test_the_same_request_is_the_same_queued_resource(cloud: Cloud):
    first = accepted(ask_queue(cloud, query="&requestId=r-1"))

    again = accepted(ask_queue(cloud, query="&requestId=r-1"))
    another = accepted(ask_queue(cloud, "q-2", query="&requestId=r-1"))

    assert again["name"] == first["name"] != another["name"]
    assert names_in(cloud, "queuedResources") == ["q-1", "q-2"]


def test_a_deletion_by_force_overtakes_a_slice_that_comes_up(cloud: Cloud):
    cloud.core.delays = Delays(tpu_create=3600.0)
    queue(cloud)
    eventually(lambda: names_in(cloud) == ["q-1"])

    refused = ask_delete(cloud)
    ended(cloud, accepted(ask_delete(cloud, "?force=true")))

    assert refused.status_code == 400
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"
    assert names_in(cloud) == names_in(cloud, "queuedResources") == []
    assert cloud.driver.addressed == frozenset()


def test_the_body_of_v2alpha1_is_understood_too(cloud: Cloud):
    url = f"{cloud.url}/v2alpha1/projects/{PROJECT}/locations/{ZONE}/queuedResources"
    spec = {"multiNodeParams": {"nodeCount": 2, "nodeIdPrefix": "set"}, "node": BODY}
    body = {"tpu": {"nodeSpec": [spec]}, "bestEffort": {}}

    accepted(cloud.ask("POST", f"{url}?queuedResourceId=q-1", body))

    eventually(lambda: queued_state(cloud) == "ACTIVE")
    assert names_in(cloud) == ["set-0", "set-1"]


def test_googles_client_waits_for_one_and_forces_it_away(cloud: Cloud):
    tpu_v2 = pytest.importorskip("google.cloud.tpu_v2")
    from google.api_core.client_options import ClientOptions
    from google.cloud.common import OperationMetadata
    from google.oauth2.credentials import Credentials

    assert OperationMetadata is not None  # registers what the operations carry
    client = tpu_v2.TpuClient(
        credentials=Credentials("a-token"),
        client_options=ClientOptions(api_endpoint=cloud.url),
        transport="rest",
    )
    parent = f"projects/{PROJECT}/locations/{ZONE}"
    node = tpu_v2.Node(
        accelerator_type="v5litepod-16", runtime_version="v2-alpha-tpuv5-lite"
    )
    spec = tpu_v2.QueuedResource.Tpu.NodeSpec(parent=parent, node_id="s-1", node=node)
    wanted = tpu_v2.QueuedResource(
        tpu=tpu_v2.QueuedResource.Tpu(node_spec=[spec]),
        spot=tpu_v2.QueuedResource.Spot(),
        queueing_policy={"valid_until_duration": {"seconds": 600}},
    )
    asked = {"parent": parent, "queued_resource_id": "q-1", "queued_resource": wanted}

    made = client.create_queued_resource(request=asked, timeout=10).result(timeout=10)
    eventually(lambda: queued_state(cloud) == "ACTIVE")
    found = client.get_queued_resource(name=made.name, timeout=10)
    request = {"name": made.name, "force": True}
    client.delete_queued_resource(request=request, timeout=10)

    assert found.state.state == tpu_v2.QueuedResourceState.State.ACTIVE
    assert found.spot == tpu_v2.QueuedResource.Spot()
    eventually(lambda: names_in(cloud, "queuedResources") == [])
