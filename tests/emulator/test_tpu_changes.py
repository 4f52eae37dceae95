"""What may be changed about a slice that lives: words, addresses, power."""

from __future__ import annotations

from typing import Any

import pytest

from iris.emulator.core import Delays
from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.eventually import eventually
from tests.support.tpus import (
    BODY,
    accepted,
    create,
    ended,
    get,
    ready,
    refusal_of,
)

PLACE = f"projects/{PROJECT}/locations/{ZONE}"


def patch(cloud: Cloud, mask: str, body: dict[str, Any]) -> Any:
    return cloud.ask("PATCH", f"{cloud.tpus}/nodes/s-1?updateMask={mask}", body)


def act(cloud: Cloud, verb: str) -> Any:
    return cloud.ask("POST", f"{cloud.tpus}/nodes/s-1:{verb}", {})


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


def test_a_vm_that_never_booted_is_told_nothing(cloud: Cloud):
    cloud.fault("partial-slice", worker=2)
    ready(cloud)

    accepted(patch(cloud, "labels", {"labels": {}}))

    calls = [call for call, _ in cloud.driver.calls]
    assert (calls.count("boot"), calls.count("update")) == (3, 3)


# -- power ---------------------------------------------------------------------------


def test_a_single_vm_is_stopped_and_started(cloud: Cloud):
    ready(cloud, acceleratorType="v5litepod-8")

    stopped = ended(cloud, accepted(act(cloud, "stop")))["response"]["state"]
    down = dict(cloud.driver.up)
    started = ended(cloud, accepted(act(cloud, "start")))["response"]["state"]

    assert [stopped, started] == ["STOPPED", "READY"]
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
