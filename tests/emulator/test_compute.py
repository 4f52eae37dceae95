"""Compute Engine, as Google's own Python client sees it where that is installed."""

from __future__ import annotations

import uuid

import pytest
import requests

from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.eventually import eventually

BODY = {
    "name": "vm-1",
    "machineType": f"zones/{ZONE}/machineTypes/n2-standard-4",
    "disks": [
        {
            "boot": True,
            "autoDelete": True,
            "initializeParams": {
                "sourceImage": "projects/debian-cloud/global/images/family/debian-12"
            },
        }
    ],
    "networkInterfaces": [{"accessConfigs": [{"name": "nat"}]}],
    "labels": {"iris-cluster": "eu"},
    "metadata": {"items": [{"key": "startup-script", "value": "#!/bin/sh\n"}]},
}


def insert(cloud: Cloud, **changes: object) -> dict[str, object]:
    answer = cloud.ask("POST", f"{cloud.zone}/instances", BODY | changes)
    assert answer.status_code == 200, answer.text
    name = answer.json()["name"]
    done = cloud.ask("POST", f"{cloud.zone}/operations/{name}/wait").json()
    assert done["status"] == "DONE"
    return done


def get(cloud: Cloud, path: str = "instances/vm-1") -> dict[str, object]:
    return cloud.ask("GET", f"{cloud.zone}/{path}").json()


def test_googles_client_makes_a_vm_finds_it_and_gives_it_back(cloud: Cloud):
    compute = pytest.importorskip("google.cloud.compute_v1")
    from google.api_core.client_options import ClientOptions
    from google.oauth2.credentials import Credentials

    settings = {
        "credentials": Credentials("a-token"),
        "client_options": ClientOptions(api_endpoint=cloud.url),
    }
    vms = compute.InstancesClient(**settings)
    operations = compute.ZoneOperationsClient(**settings)
    place = {"project": PROJECT, "zone": ZONE}
    wanted = compute.Instance(
        name="vm-1",
        machine_type=str(BODY["machineType"]),
        disks=[compute.AttachedDisk(boot=True, auto_delete=True)],
        network_interfaces=[compute.NetworkInterface()],
    )

    made = vms.insert_unary(instance_resource=wanted, **place)
    done = operations.wait(operation=made.name, **place)
    listed = [vm.name for vm in vms.list(**place)]
    gone = vms.delete_unary(instance="vm-1", **place)
    operations.wait(operation=gone.name, **place)

    assert done.status == compute.Operation.Status.DONE
    assert listed == ["vm-1"]
    assert list(vms.list(**place)) == []


def test_a_vm_comes_up_with_its_addresses_and_boots_once(cloud: Cloud):
    insert(cloud)

    vm = get(cloud)

    assert vm["status"] == "RUNNING"
    nic = vm["networkInterfaces"][0]
    assert nic["networkIP"] != nic["accessConfigs"][0]["natIP"]
    assert [call for call, _ in cloud.driver.calls].count("boot") == 1


def test_without_a_token_there_is_no_answer(cloud: Cloud):
    answer = cloud.ask("GET", f"{cloud.zone}/instances", token="")

    assert answer.status_code == 401
    assert answer.json()["error"]["errors"][0]["reason"] == "required"


def test_a_token_with_narrow_scopes_has_no_right_to_the_cloud(cloud: Cloud):
    narrow = ("https://www.googleapis.com/auth/devstorage.read_only",)
    token, _ = cloud.parts.access.mint("w@x.iam.gserviceaccount.com", narrow, PROJECT)

    answer = cloud.ask("GET", f"{cloud.zone}/instances", token=token)

    assert answer.status_code == 403


def test_a_service_account_has_no_right_to_another_project(cloud: Cloud):
    scope = ("https://www.googleapis.com/auth/cloud-platform",)
    token, _ = cloud.parts.access.mint("w@x.iam.gserviceaccount.com", scope, "another")

    answer = cloud.ask("GET", f"{cloud.zone}/instances", token=token)

    assert answer.status_code == 403


def test_an_empty_list_has_no_items(cloud: Cloud):
    assert "items" not in get(cloud, "instances")


def test_a_taken_name_is_refused_and_what_is_not_there_is_not_found(cloud: Cloud):
    insert(cloud)

    second = cloud.ask("POST", f"{cloud.zone}/instances", BODY)
    missing = cloud.ask("GET", f"{cloud.zone}/instances/vm-2")

    assert (second.status_code, missing.status_code) == (409, 404)
    assert "already exists" in second.json()["error"]["message"]
    assert "was not found" in missing.json()["error"]["message"]


def test_the_same_request_id_makes_one_vm(cloud: Cloud):
    url = f"{cloud.zone}/instances?requestId={uuid.uuid4()}"

    names = {cloud.ask("POST", url, BODY).json()["name"] for _ in range(2)}

    assert len(names) == 1
    assert len(cloud.parts.ledger.rows()) == 2  # the VM and its boot disk


def test_a_stockout_is_told_by_the_operation_and_leaves_nothing(cloud: Cloud):
    cloud.fault("stockout", api="compute")

    done = insert(cloud)

    assert done["error"]["errors"][0]["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED"
    assert cloud.ask("GET", f"{cloud.zone}/instances/vm-1").status_code == 404


def test_metadata_changes_only_under_its_present_fingerprint(cloud: Cloud):
    insert(cloud)
    former = get(cloud)["metadata"]["fingerprint"]
    items = [{"key": "iris-controller", "value": "http://10.0.0.1:10000"}]
    url = f"{cloud.zone}/instances/vm-1/setMetadata"

    first = cloud.ask("POST", url, {"fingerprint": former, "items": items})
    second = cloud.ask("POST", url, {"fingerprint": former, "items": []})

    assert (first.status_code, second.status_code) == (200, 412)
    assert get(cloud)["metadata"]["items"] == items
    assert cloud.driver.calls[-1][0] == "update"


def test_metadata_that_is_too_large_is_refused(cloud: Cloud):
    large = {"items": [{"key": "iris-config", "value": "x" * 300_000}]}

    answer = cloud.ask("POST", f"{cloud.zone}/instances", BODY | {"metadata": large})

    assert answer.status_code == 400
    assert "too large" in answer.json()["error"]["message"]


def state_disk(cloud: Cloud) -> None:
    cloud.ask("POST", f"{cloud.zone}/disks", {"name": "eu-state", "sizeGb": "50"})


def with_state(name: str) -> dict[str, object]:
    source = {"source": f"zones/{ZONE}/disks/eu-state", "deviceName": "iris-state"}
    return {"name": name, "disks": [*BODY["disks"], source]}


def test_a_disk_is_had_by_one_vm_and_outlives_it(cloud: Cloud):
    state_disk(cloud)
    insert(cloud, **with_state("vm-1"))

    second = cloud.ask("POST", f"{cloud.zone}/instances", BODY | with_state("vm-2"))
    delete = cloud.ask("DELETE", f"{cloud.zone}/disks/eu-state")
    cloud.ask("DELETE", f"{cloud.zone}/instances/vm-1")
    eventually(lambda: "items" not in get(cloud, "instances"))

    reasons = [a.json()["error"]["errors"][0]["reason"] for a in (second, delete)]
    assert reasons == ["resourceInUseByAnotherResource"] * 2
    left = [disk["name"] for disk in get(cloud, "disks")["items"]]
    assert left == ["eu-state"]


def test_a_preempted_vm_keeps_its_name_and_says_who_took_it(cloud: Cloud):
    insert(cloud, scheduling={"provisioningModel": "SPOT"})

    cloud.fault("preemption", name="vm-1")

    eventually(lambda: get(cloud)["status"] == "TERMINATED")
    operations = get(cloud, "operations")["items"]
    taken = [o for o in operations if o["name"].startswith("systemevent")]
    assert taken[0]["operationType"] == "compute.instances.preempted"
    assert cloud.driver.up == {}


def test_a_reply_that_is_lost_comes_after_the_effect(cloud: Cloud):
    cloud.fault("reply-lost", api="compute", verb="create")

    with pytest.raises(requests.ConnectionError):
        cloud.ask("POST", f"{cloud.zone}/instances", BODY)

    eventually(lambda: get(cloud)["status"] == "RUNNING")


def test_a_burst_of_503_ends(cloud: Cloud):
    cloud.fault("unavailable", times=2)

    statuses = [cloud.ask("GET", f"{cloud.zone}/instances") for _ in range(3)]

    assert [answer.status_code for answer in statuses] == [503, 503, 200]


def test_the_console_and_guest_attributes_are_shown(cloud: Cloud):
    insert(cloud)
    cloud.driver.guests = {"hostkeys": {"ssh-ed25519": "AAAA"}}

    console = get(cloud, "instances/vm-1/serialPort?start=2")
    path = "instances/vm-1/getGuestAttributes?queryPath=hostkeys/"
    keys = get(cloud, path)["queryValue"]["items"]

    assert console["contents"] == "first line\nand a second one\n"
    assert (console["start"], console["next"]) == ("2", "30")
    assert keys == [{"namespace": "hostkeys", "key": "ssh-ed25519", "value": "AAAA"}]


def test_a_restarted_emulator_knows_what_it_knew(tmp_path):
    first = Cloud(tmp_path)
    insert(first)
    vm = get(first)
    first.close()

    again = Cloud(tmp_path)

    assert get(again)["id"] == vm["id"]
    assert ("restore", vm["id"]) in again.driver.calls
    again.close()
