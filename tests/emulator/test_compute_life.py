"""VMs of Compute Engine: what a refused insert leaves, and every way they go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iris.emulator.core import Delays
from tests.emulator.conftest import ZONE, Cloud
from tests.support.clouds import Clouds
from tests.support.eventually import eventually

SLOW = Delays(vm_stopping=3600.0)
NEW = {"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": "debian"}}
BODY = {
    "name": "vm-1",
    "machineType": f"zones/{ZONE}/machineTypes/n2-standard-4",
    "disks": [NEW],
    "networkInterfaces": [{"accessConfigs": [{"name": "nat"}]}],
}


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    made = Clouds(tmp_path)
    yield made
    made.now.close()


def ask_for(cloud: Cloud, query: str = "", **changes: object) -> Any:
    return cloud.ask("POST", f"{cloud.zone}/instances{query}", BODY | changes)


def accepted(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def get(cloud: Cloud, path: str = "instances/vm-1") -> dict[str, Any]:
    found: dict[str, Any] = cloud.ask("GET", f"{cloud.zone}/{path}").json()
    return found


def names_in(cloud: Cloud, kind: str) -> list[str]:
    return [each["name"] for each in get(cloud, kind).get("items", [])]


def done(cloud: Cloud, operation: dict[str, Any]) -> dict[str, Any]:
    path = f"operations/{operation['name']}"
    eventually(lambda: get(cloud, path)["status"] == "DONE")
    return get(cloud, path)


def running(cloud: Cloud, **changes: object) -> dict[str, Any]:
    accepted(ask_for(cloud, **changes))
    name = str(changes.get("name", "vm-1"))
    eventually(lambda: get(cloud, f"instances/{name}").get("status") == "RUNNING")
    return get(cloud, f"instances/{name}")


def act(cloud: Cloud, verb: str) -> dict[str, Any]:
    return accepted(cloud.ask("POST", f"{cloud.zone}/instances/vm-1/{verb}"))


def ask_delete(cloud: Cloud) -> dict[str, Any]:
    return accepted(cloud.ask("DELETE", f"{cloud.zone}/instances/vm-1"))


def state_disk(cloud: Cloud, name: str = "state") -> dict[str, Any]:
    accepted(cloud.ask("POST", f"{cloud.zone}/disks", {"name": name, "sizeGb": "50"}))
    return {"source": f"zones/{ZONE}/disks/{name}"}


def called(cloud: Cloud, word: str) -> int:
    return [call for call, _ in cloud.driver.calls].count(word)


# -- refused inserts -----------------------------------------------------------------


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


# -- ways to go ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["stop", "suspend"])
def test_a_deletion_overtakes_a_vm_that_goes_down(cloud: Cloud, verb: str):
    running(cloud)
    cloud.core.delays = Delays(vm_stopping=0.3)
    stop = act(cloud, verb)

    deletion = ask_delete(cloud)

    assert done(cloud, stop)["status"] == done(cloud, deletion)["status"] == "DONE"
    assert names_in(cloud, "instances") == names_in(cloud, "disks") == []
    assert cloud.driver.addressed == frozenset()


def test_a_deletion_overtakes_a_preemption_with_notice(cloud: Cloud):
    running(cloud)
    cloud.fault("preemption", notice=20)
    eventually(lambda: get(cloud)["status"] == "STOPPING")

    done(cloud, ask_delete(cloud))

    assert names_in(cloud, "instances") == []


def test_what_is_being_deleted_is_not_stopped_any_more(cloud: Cloud):
    running(cloud)
    cloud.core.delays = SLOW
    deletion = ask_delete(cloud)

    again = ask_delete(cloud)
    answer = cloud.ask("POST", f"{cloud.zone}/instances/vm-1/stop")

    assert again["name"] == deletion["name"]
    assert answer.status_code == 400
    assert answer.json()["error"]["errors"][0]["reason"] == "resourceNotReady"


# -- restarts of the emulator --------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "status"), [("stop", "TERMINATED"), ("suspend", "SUSPENDED")]
)
def test_a_restart_while_a_vm_goes_down_keeps_it(
    clouds: Clouds, verb: str, status: str
):
    running(clouds.now)
    clouds.now.core.delays = SLOW
    operation = act(clouds.now, verb)

    cloud = clouds.restart()

    assert done(cloud, operation)["operationType"] == verb
    assert get(cloud)["status"] == status
    assert names_in(cloud, "disks") == ["vm-1"]
    assert (called(cloud, "restore"), called(cloud, "stop")) == (0, 1)


def test_a_restart_while_a_vm_is_deleted_ends_the_deletion(clouds: Clouds):
    running(clouds.now)
    clouds.now.core.delays = SLOW
    operation = ask_delete(clouds.now)

    cloud = clouds.restart()

    done(cloud, operation)
    assert names_in(cloud, "instances") == names_in(cloud, "disks") == []


@pytest.mark.parametrize(
    "delays", [{"vm_provisioning": 3600.0}, {"vm_staging": 3600.0}]
)
def test_a_restart_while_a_vm_comes_up_goes_on_with_it(
    clouds: Clouds, delays: dict[str, float]
):
    clouds.now.core.delays = Delays(**delays)
    operation = accepted(ask_for(clouds.now))

    cloud = clouds.restart()

    assert done(cloud, operation)["operationType"] == "insert"
    assert get(cloud)["status"] == "RUNNING"
    assert called(cloud, "boot") == 1


def test_a_restart_within_the_notice_of_a_preemption_stops_the_vm(clouds: Clouds):
    running(clouds.now)
    clouds.now.fault("preemption", notice=20)
    eventually(lambda: get(clouds.now)["status"] == "STOPPING")

    cloud = clouds.restart()

    eventually(lambda: get(cloud)["status"] == "TERMINATED")
    assert called(cloud, "restore") == 0


# -- faults --------------------------------------------------------------------------


def test_a_preemption_planned_before_a_vm_is_up_strikes_when_it_is(cloud: Cloud):
    cloud.fault("preemption", api="compute", type="n2-standard-*")

    accepted(ask_for(cloud))

    eventually(lambda: get(cloud)["status"] == "TERMINATED")


@pytest.mark.parametrize(
    ("kind", "call"),
    [("maintenance", "MIGRATE_ON_HOST_MAINTENANCE"), ("dead-worker", "kill")],
)
def test_a_fault_planned_before_a_vm_is_up_strikes_when_it_is(
    cloud: Cloud, kind: str, call: str
):
    cloud.fault(kind)

    running(cloud)

    eventually(lambda: called(cloud, call) == 1)


def test_an_ssh_cut_of_a_vm_waits_for_a_connection(cloud: Cloud):
    cloud.fault("ssh-cut")
    running(cloud)
    before = cloud.admin("GET", "struck").json()["struck"]

    cloud.driver.connections[next(iter(cloud.driver.up))] = 1

    struck = eventually(lambda: cloud.admin("GET", "struck").json()["struck"])
    assert (before, [each["kind"] for each in struck]) == ([], ["ssh-cut"])


def test_late_metadata_is_of_a_boot_and_of_nothing_else(cloud: Cloud):
    running(cloud)
    cloud.fault("late-metadata", seconds=3, name="vm-*")
    fingerprint = get(cloud)["metadata"]["fingerprint"]
    body = {"fingerprint": fingerprint, "items": []}
    accepted(cloud.ask("POST", f"{cloud.zone}/instances/vm-1/setMetadata", body))
    struck = cloud.admin("GET", "struck").json()["struck"]

    running(cloud, name="vm-2")

    late = {vm.name: vm.metadata_delay for vm in cloud.driver.up.values()}
    assert (struck, late) == ([], {"vm-1": 0.0, "vm-2": 3.0})


def test_stale_lists_hide_the_new_and_show_the_deleted(clouds: Clouds):
    running(clouds.now)
    cloud = clouds.restart()  # what it finds was always there
    cloud.fault("stale-list", api="compute", seconds=1800, times=0)

    running(cloud, name="vm-2")
    done(cloud, ask_delete(cloud))
    stale = names_in(cloud, "instances"), names_in(cloud, "disks")
    cloud.admin("DELETE", "faults")

    assert stale == (["vm-1"], ["vm-1"])
    assert names_in(cloud, "instances") == names_in(cloud, "disks") == ["vm-2"]
    assert get(cloud)["error"]["code"] == 404
