"""What Cloud TPU makes slices of, and what it refuses, in which words."""

from __future__ import annotations

import pytest

from iris.emulator.core import Delays
from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.support.eventually import eventually
from tests.support.tpus import (
    BODY,
    accepted,
    ask_for,
    ask_queue,
    get,
    names_in,
    ready,
    refusal_of,
)

PLACE = f"projects/{PROJECT}/locations/{ZONE}"


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


def test_who_may_not_act_as_the_account_of_its_vms_makes_nothing(cloud: Cloud):
    denial = {"email": "", "permission": "iam.serviceAccounts.actAs"}
    cloud.admin("POST", "rights", denial | {"deny": True})

    found = [
        refusal_of(ask_for(cloud, serviceAccount={"email": "vms@example.com"})),
        refusal_of(ask_queue(cloud)),
    ]

    assert [each[:2] for each in found] == [(403, "PERMISSION_DENIED")] * 2
    assert "access to service account 'vms@example.com'" in found[0][2]
    assert names_in(cloud) == names_in(cloud, "queuedResources") == []
