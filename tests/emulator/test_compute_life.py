"""VMs of Compute Engine: every way they go, and what strikes them on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.emulator.core import Delays
from tests.emulator.conftest import PROJECT, Cloud
from tests.support.clouds import Clouds
from tests.support.eventually import eventually
from tests.support.tpus import ready
from tests.support.vms import (
    accepted,
    act,
    ask_delete,
    ask_for,
    done,
    get,
    names_in,
    running,
)

SLOW = Delays(vm_stopping=3600.0)


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    made = Clouds(tmp_path)
    yield made
    made.now.close()


def called(cloud: Cloud, word: str) -> int:
    return [call for call, _ in cloud.driver.calls].count(word)


def test_metadata_of_the_project_reaches_every_vm_that_runs(cloud: Cloud):
    running(cloud)
    running(cloud, name="vm-2")
    ready(cloud, acceleratorType="v5litepod-8")
    accepted(cloud.ask("POST", f"{cloud.zone}/instances/vm-2/stop"))
    eventually(lambda: get(cloud, "instances/vm-2")["status"] == "TERMINATED")
    url = f"{cloud.url}/compute/v1/projects/{PROJECT}"
    fingerprint = accepted(cloud.ask("GET", url))["commonInstanceMetadata"]
    body = {
        "fingerprint": fingerprint["fingerprint"],
        "items": [{"key": "ssh-keys", "value": "me:ssh-rsa AAAA me"}],
    }

    accepted(cloud.ask("POST", f"{url}/setCommonInstanceMetadata", body))

    told = [vm.project_attributes for vm in cloud.driver.up.values()]
    assert told == [{"ssh-keys": "me:ssh-rsa AAAA me"}] * 2
    assert called(cloud, "update") == 2


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


def addresses(cloud: Cloud) -> tuple[str, str]:
    interface = get(cloud)["networkInterfaces"][0]
    return interface["networkIP"], interface["accessConfigs"][0]["natIP"]


def test_a_vm_that_is_started_again_has_another_external_address(cloud: Cloud):
    running(cloud)
    internal, external = addresses(cloud)
    cloud.ask("POST", f"{cloud.zone}/instances/vm-1/stop")
    eventually(lambda: get(cloud)["status"] == "TERMINATED")

    cloud.ask("POST", f"{cloud.zone}/instances/vm-1/start")

    eventually(lambda: get(cloud)["status"] == "RUNNING")
    now = addresses(cloud)
    assert now[0] == internal
    assert now[1] != external
    assert next(iter(cloud.driver.up.values())).external_ip == now[1]


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
