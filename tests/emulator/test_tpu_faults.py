"""What strikes slices: at once, when they come up, over a restart of the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.emulator.core import Delays
from tests.emulator.conftest import Cloud
from tests.support.clouds import Clouds
from tests.support.eventually import eventually
from tests.support.tpus import (
    accepted,
    ask_for,
    create,
    delete,
    ended,
    get,
    names_in,
    ready,
)


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    made = Clouds(tmp_path)
    yield made
    made.now.close()


def called(cloud: Cloud, word: str) -> int:
    return [call for call, _ in cloud.driver.calls].count(word)


def test_a_preemption_planned_before_the_slice_is_up_strikes_when_it_is(cloud: Cloud):
    cloud.fault("preemption", type="v5litepod-16")

    create(cloud)

    eventually(lambda: get(cloud)["state"] == "PREEMPTED")
    assert called(cloud, "preempt") == 4


def test_maintenance_planned_before_the_slice_is_up_strikes_when_it_is(cloud: Cloud):
    cloud.fault("maintenance")

    tpu = ready(cloud)

    assert tpu["health"] == "UNHEALTHY_MAINTENANCE"
    assert called(cloud, "TERMINATE_ON_HOST_MAINTENANCE") == 4


def test_a_dead_worker_planned_before_the_slice_is_up_dies_when_it_is(cloud: Cloud):
    cloud.fault("dead-worker", worker=2)

    tpu = ready(cloud)

    calls = cloud.driver.calls
    (killed,) = [vm for call, vm in calls if call == "kill"]
    assert (
        cloud.driver.up[killed].internal_ip == tpu["networkEndpoints"][2]["ipAddress"]
    )


def test_an_ssh_cut_waits_until_there_is_a_connection_to_cut(cloud: Cloud):
    cloud.fault("ssh-cut")
    ready(cloud)
    before = cloud.admin("GET", "struck").json()["struck"]

    cloud.driver.connections[next(iter(cloud.driver.up))] = 1

    struck = eventually(lambda: cloud.admin("GET", "struck").json()["struck"])
    assert (before, [each["kind"] for each in struck]) == ([], ["ssh-cut"])


def test_what_is_planned_for_later_leaves_alone_what_comes_up_before(cloud: Cloud):
    cloud.fault("preemption", after=3600)

    assert ready(cloud)["state"] == "READY"


def test_what_is_planned_for_later_strikes_then(cloud: Cloud):
    ready(cloud)

    cloud.fault("preemption", after=0.3)

    eventually(lambda: get(cloud)["state"] == "PREEMPTED")


def test_a_slice_that_finds_no_room_is_a_stockout_and_keeps_no_address(cloud: Cloud):
    ready(cloud, "s-1")
    cloud.driver.room = 6

    operation = ended(cloud, create(cloud, "s-2"))

    assert operation["error"]["code"] == 8
    assert "no more capacity in the zone" in operation["error"]["message"]
    assert len(cloud.driver.addressed) == 4
    assert names_in(cloud) == ["s-1"]


def test_stockouts_keep_no_address(cloud: Cloud):
    cloud.driver.room = 4
    for _ in range(3):
        cloud.fault("stockout")
        ended(cloud, create(cloud))

    assert ready(cloud)["state"] == "READY"


def test_a_stale_list_hides_the_new_and_shows_the_deleted(clouds: Clouds):
    ready(clouds.now, "s-1")
    cloud = clouds.restart()  # what it finds was always there
    cloud.fault("stale-list", api="tpu", seconds=1800, times=0)

    create(cloud, "s-2")
    delete(cloud, "nodes/s-1")
    stale = names_in(cloud)
    cloud.admin("DELETE", "faults")

    assert (stale, names_in(cloud)) == (["s-1"], ["s-2"])


def test_endpoints_are_missing_bare_or_few_while_a_slice_comes_up(cloud: Cloud):
    cloud.core.delays = Delays(tpu_ready=3600.0)
    create(cloud)
    eventually(lambda: len(get(cloud).get("networkEndpoints", [])) == 4)
    cloud.fault("bare-endpoints", times=3)

    shown = [get(cloud).get("networkEndpoints", []) for _ in range(4)]

    assert [[each.get("ipAddress", "") != "" for each in row] for row in shown] == [
        [],
        [False] * 4,
        [True] * 2,
        [True] * 4,
    ]


def test_endpoints_of_a_slice_that_is_up_stay_and_use_no_fault_up(cloud: Cloud):
    ready(cloud)
    cloud.fault("bare-endpoints")

    assert len(get(cloud)["networkEndpoints"]) == 4
    assert cloud.admin("GET", "struck").json() == {"struck": []}


def test_a_restart_hands_every_booted_vm_back_though_none_says_ready(clouds: Clouds):
    cloud = clouds.now
    cloud.core.delays = Delays(tpu_ready=3600.0)
    create(cloud)
    eventually(lambda: len(cloud.driver.up) == 4)

    cloud = clouds.restart()

    assert called(cloud, "restore") == 4
    eventually(lambda: get(cloud)["state"] == "READY")


def test_a_restart_within_the_notice_of_a_preemption_does_not_call_it_off(
    clouds: Clouds,
):
    ready(clouds.now)
    clouds.now.fault("preemption", notice=0.5)
    eventually(lambda: called(clouds.now, "preempt") == 4)

    cloud = clouds.restart()

    assert called(cloud, "restore") == 0
    eventually(lambda: get(cloud)["state"] == "PREEMPTED")


def test_a_restart_leaves_a_stockout_a_stockout(clouds: Clouds):
    clouds.now.fault("stockout", seconds=3600)
    operation = create(clouds.now)

    cloud = clouds.restart()

    assert ended(cloud, operation)["error"]["code"] == 8


def test_a_restart_in_the_middle_of_a_stop_and_a_start_goes_on(clouds: Clouds):
    ready(clouds.now, acceleratorType="v5litepod-8")
    clouds.now.core.delays = Delays(vm_stopping=3600.0)
    stop = accepted(clouds.now.ask("POST", f"{clouds.now.tpus}/nodes/s-1:stop", {}))
    seen = get(clouds.now)["state"]

    cloud = clouds.restart()

    assert (seen, called(cloud, "restore")) == ("STOPPING", 0)
    assert ended(cloud, stop)["response"]["state"] == "STOPPED"
    cloud.core.delays = Delays(vm_staging=3600.0)
    start = accepted(cloud.ask("POST", f"{cloud.tpus}/nodes/s-1:start", {}))
    assert get(cloud)["state"] == "STARTING"
    cloud = clouds.restart()
    assert called(cloud, "restore") == 1
    assert ended(cloud, start)["response"]["state"] == "READY"


def test_a_second_preemption_of_a_slice_waits_for_another(cloud: Cloud):
    ready(cloud)
    cloud.fault("preemption")
    eventually(lambda: get(cloud)["state"] == "PREEMPTED")

    cloud.fault("preemption")

    assert ask_for(cloud).status_code == 409
    assert len(cloud.admin("GET", "faults").json()["planned"]) == 1
