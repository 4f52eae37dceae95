"""Cloud TPU, by HTTP and by Google's own Python client."""

from __future__ import annotations

import pytest

from iris.emulator.core import Delays
from iris.emulator.quota import Limit
from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.eventually import eventually

BODY = {
    "acceleratorType": "v5litepod-16",
    "runtimeVersion": "v2-alpha-tpuv5-lite",
    "schedulingConfig": {"spot": True},
    "networkConfig": {"enableExternalIps": True},
    "labels": {"iris-cluster": "eu"},
    "metadata": {"iris-slice": "s-1"},
}


def create(cloud: Cloud, name: str = "s-1", **changes: object) -> dict[str, object]:
    answer = cloud.ask("POST", f"{cloud.tpus}/nodes?nodeId={name}", BODY | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(cloud: Cloud, path: str = "nodes/s-1") -> dict[str, object]:
    return cloud.ask("GET", f"{cloud.tpus}/{path}").json()


def ended(cloud: Cloud, operation: dict[str, object]) -> dict[str, object]:
    url = f"{cloud.url}/v2/{operation['name']}"
    return eventually(lambda: _if_done(cloud.ask("GET", url).json()))


def _if_done(operation: dict[str, object]) -> dict[str, object] | None:
    return operation if operation["done"] else None


def ready(cloud: Cloud, name: str = "s-1") -> dict[str, object]:
    create(cloud, name)
    eventually(lambda: get(cloud, f"nodes/{name}").get("state") == "READY")
    return get(cloud, f"nodes/{name}")


def test_a_slice_comes_with_all_its_vms_in_worker_order(cloud: Cloud):
    tpu = ready(cloud)

    vms = list(cloud.driver.up.values())
    addresses = [each["ipAddress"] for each in tpu["networkEndpoints"]]
    assert [vm.internal_ip for vm in vms] == addresses
    assert [vm.attributes["agent-worker-number"] for vm in vms] == list("0123")
    assert {vm.attributes["iris-slice"] for vm in vms} == {"s-1"}
    assert {vm.attributes["instance-id"] for vm in vms} == {"s-1"}


def test_its_operation_carries_the_type_that_the_live_service_sends(cloud: Cloud):
    operation = ended(cloud, create(cloud))

    kind = "type.googleapis.com/google.cloud.common.OperationMetadata"
    assert operation["metadata"]["@type"] == kind
    assert operation["response"]["@type"].endswith("google.cloud.tpu.v2.Node")


@pytest.mark.parametrize("kind", ["common", "own"])
def test_googles_client_makes_a_slice_and_gives_it_back(cloud: Cloud, kind: str):
    tpu_v2 = pytest.importorskip("google.cloud.tpu_v2")
    from google.api_core.client_options import ClientOptions
    from google.cloud.common import OperationMetadata
    from google.oauth2.credentials import Credentials

    assert OperationMetadata is not None  # registers what the operations carry
    if kind == "own":
        cloud.fault("own-metadata-type", times=0)
    client = tpu_v2.TpuClient(
        credentials=Credentials("a-token"),
        client_options=ClientOptions(api_endpoint=cloud.url),
        transport="rest",
    )
    parent = f"projects/{PROJECT}/locations/{ZONE}"
    wanted = tpu_v2.Node(
        accelerator_type="v5litepod-16", runtime_version="v2-alpha-tpuv5-lite"
    )

    made = client.create_node(parent=parent, node=wanted, node_id="s-1", timeout=10)
    tpu = made.result(timeout=10)
    listed = list(client.list_nodes(parent=parent, timeout=10))
    client.delete_node(name=tpu.name, timeout=10).result(timeout=10)

    assert [each.name for each in listed] == [f"{parent}/nodes/s-1"]
    assert listed[0].state == tpu_v2.Node.State.READY
    assert list(client.list_nodes(parent=parent, timeout=10)) == []


def test_an_empty_list_is_an_empty_object(cloud: Cloud):
    assert get(cloud, "nodes") == {}


def test_a_stockout_is_told_by_the_operation_and_the_slice_is_gone(cloud: Cloud):
    cloud.fault("stockout", api="tpu", type="v5litepod-*")

    operation = ended(cloud, create(cloud))

    assert operation["error"]["code"] == 8
    assert "no more capacity in the zone" in operation["error"]["message"]
    assert get(cloud, "nodes") == {}


def test_a_quota_that_is_used_up_is_refused_until_something_is_freed(cloud: Cloud):
    quota = "TPUV5sPreemptibleLitepodPerProjectPerZoneForTPUAPI"
    cloud.parts.quota.set(Limit(PROJECT, quota, 16))
    ready(cloud)

    url = f"{cloud.tpus}/nodes?nodeId=s-2"
    refused = cloud.ask("POST", url, BODY)
    ended(cloud, cloud.ask("DELETE", f"{cloud.tpus}/nodes/s-1").json())
    accepted = cloud.ask("POST", url, BODY)

    assert (refused.status_code, accepted.status_code) == (429, 200)
    kinds = [each["@type"] for each in refused.json()["error"]["details"]]
    assert kinds == ["type.googleapis.com/google.rpc.QuotaFailure"]


def test_a_type_that_the_zone_lacks_is_refused_at_once(cloud: Cloud):
    url = f"{cloud.tpus}/nodes?nodeId=s-1"

    answer = cloud.ask("POST", url, BODY | {"acceleratorType": "v6e-4"})

    assert answer.status_code == 400
    assert "was not found in zone europe-west4-b" in answer.json()["error"]["message"]


def test_a_preempted_slice_stays_listed_and_holds_its_name(cloud: Cloud):
    ready(cloud)

    cloud.fault("preemption", name="s-1")

    eventually(lambda: get(cloud)["state"] == "PREEMPTED")
    url = f"{cloud.tpus}/nodes?nodeId=s-1"
    assert cloud.ask("POST", url, BODY).status_code == 409
    assert cloud.driver.up == {}


def test_a_slice_is_taken_though_it_does_not_say_ready_yet(cloud: Cloud):
    cloud.core.delays = Delays(tpu_ready=3600.0)
    operation = create(cloud)
    eventually(lambda: len(cloud.driver.up) == 4)

    cloud.fault("preemption", name="s-1")

    eventually(lambda: get(cloud)["state"] == "PREEMPTED")
    assert ended(cloud, operation)["error"]["code"] == 3


def test_metadata_is_updated_when_it_is_ready_and_only_by_a_known_mask(cloud: Cloud):
    ready(cloud)
    eventually(lambda: get(cloud, "operations")["operations"][0]["done"])
    body = {"metadata": {"iris-slice": "s-1", "iris-controller": "http://10.0.0.1:1"}}

    url = f"{cloud.tpus}/nodes/s-1?updateMask="
    good = cloud.ask("PATCH", f"{url}metadata", body)
    bad = cloud.ask("PATCH", f"{url}acceleratorType", body)

    assert (good.status_code, bad.status_code) == (200, 400)
    told = {vm.attributes["iris-controller"] for vm in cloud.driver.up.values()}
    assert told == {"http://10.0.0.1:1"}


def test_a_slice_of_several_vms_cannot_be_stopped(cloud: Cloud):
    ready(cloud)

    assert cloud.ask("POST", f"{cloud.tpus}/nodes/s-1:stop", {}).status_code == 400


def test_a_partial_slice_lacks_one_vm_and_another_has_no_index(cloud: Cloud):
    cloud.fault("partial-slice", worker=2)
    cloud.fault("no-index", worker=1)

    ready(cloud)

    numbers = [v.attributes["agent-worker-number"] for v in cloud.driver.up.values()]
    assert numbers == ["0", "", "3"]


def queue(cloud: Cloud, name: str = "q-1") -> None:
    spec = {"nodeId": name, "node": {k: v for k, v in BODY.items() if k != "labels"}}
    body = {"tpu": {"nodeSpec": [spec]}, "spot": {}}
    url = f"{cloud.tpus}/queuedResources?queuedResourceId={name}"
    answer = cloud.ask("POST", url, body)
    assert answer.status_code == 200, answer.text


def queued_state(cloud: Cloud) -> str:
    return get(cloud, "queuedResources/q-1")["state"]["state"]


def test_a_queued_resource_is_served_with_a_slice_and_goes_with_it(cloud: Cloud):
    queue(cloud)
    eventually(lambda: queued_state(cloud) == "ACTIVE")

    url = f"{cloud.tpus}/queuedResources/q-1"
    refused = cloud.ask("DELETE", url)
    forced = cloud.ask("DELETE", f"{url}?force=true")
    ended(cloud, forced.json())

    assert (refused.status_code, forced.status_code) == (400, 200)
    assert get(cloud, "queuedResources") == get(cloud, "nodes") == {}


def test_a_queued_resource_whose_slice_was_taken_is_suspended(cloud: Cloud):
    queue(cloud)
    eventually(lambda: queued_state(cloud) == "ACTIVE")

    cloud.fault("preemption", name="q-1")

    eventually(lambda: queued_state(cloud) == "SUSPENDED")
    state = get(cloud, "queuedResources/q-1")["state"]
    assert state["stateInitiator"] == "SERVICE"


def test_a_queued_stockout_waits_on(cloud: Cloud):
    cloud.fault("stockout", name="q-1")

    queue(cloud)

    eventually(lambda: queued_state(cloud) == "WAITING_FOR_RESOURCES")
    assert get(cloud, "nodes") == {}


def test_enums_come_as_numbers_where_the_client_wants_them(cloud: Cloud):
    ready(cloud)

    tpu = get(cloud, "nodes/s-1?%24alt=json%3Benum-encoding%3Dint")

    assert tpu["state"] == 2
    assert tpu["acceleratorConfig"]["type"] == 9


def test_a_restarted_emulator_goes_on_with_its_slices(tmp_path):
    first = Cloud(tmp_path)
    ready(first)
    first.close()

    again = Cloud(tmp_path)

    assert get(again)["state"] == "READY"
    assert [call for call, _ in again.driver.calls] == ["restore"] * 4
    again.close()


def test_all_zones_are_listed_at_once(cloud: Cloud):
    ready(cloud)

    url = f"{cloud.url}/v2/projects/{PROJECT}/locations/-/nodes"
    listed = cloud.ask("GET", url).json()["nodes"]

    assert [tpu["name"].rpartition("/")[2] for tpu in listed] == ["s-1"]


def test_the_ledger_knows_what_was_paid_for(cloud: Cloud):
    ready(cloud)
    ended(cloud, cloud.ask("DELETE", f"{cloud.tpus}/nodes/s-1").json())

    rows = cloud.admin("GET", "ledger").json()["resources"]

    assert [(r["kind"], r["name"], r["capacity"]) for r in rows] == [
        ("slice", "s-1", "spot")
    ]
    assert rows[0]["deleted_at"] > rows[0]["created_at"]
    assert 0 < rows[0]["billed_seconds"] < 60


def test_the_ledger_says_what_was_made_a_second_time_under_a_name(cloud: Cloud):
    for _ in range(2):
        ready(cloud)
        ended(cloud, cloud.ask("DELETE", f"{cloud.tpus}/nodes/s-1").json())

    rows = cloud.admin("GET", "ledger").json()["resources"]

    assert [(row["name"], row["creates"]) for row in rows] == [("s-1", 1), ("s-1", 2)]


def test_the_own_side_is_closed_to_what_a_browser_can_send(cloud: Cloud):
    answer = cloud.ask("GET", f"{cloud.url}/admin/ledger")

    assert answer.status_code == 403


def test_a_fault_that_does_not_exist_is_refused_in_one_line(cloud: Cloud):
    answer = cloud.admin("POST", "faults", {"kind": "earthquake"})

    assert answer.status_code == 400
    assert "earthquake" in answer.json()["error"]
