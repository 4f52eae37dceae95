"""Slices of every kind, and what goes wrong with them, against the emulator."""

from __future__ import annotations

import pytest

from iris.domain.prices import slice_price
from iris.errors import (
    AlreadyExists,
    CloudError,
    NoQuota,
    NotPermitted,
    OutOfCapacity,
    QuotaFull,
    RateLimited,
    Rejected,
    Unavailable,
)
from iris.providers.contract import HalfListed, Phase
from tests.support.eventually import eventually


def is_up(project):
    return [s.phase for s in project.provider().list_slices().slices] == [Phase.UP]


@pytest.mark.parametrize("group", ["v5e", "spot", "held", "cpu"])
def test_a_slice_of_each_kind_comes_up_and_goes(project, group):
    provider, request = project.provider(), project.request(group)

    provider.create_slice(request)

    eventually(lambda: is_up(project))
    found = project.the_slice()
    assert (found.name, found.uid, found.group) == (request.name, "s-1", group)
    assert found.controller_url == "http://127.0.0.1:1"
    assert len(found.addresses) == request.group.vms
    assert all(address.startswith("127.") for address in found.addresses)
    provider.delete_slice(request.name, request.zone)
    eventually(lambda: provider.list_slices().slices == ())


@pytest.mark.parametrize("group", ["v5e", "held", "cpu"])
def test_asking_twice_makes_one(project, group):
    provider, request = project.provider(), project.request(group)
    provider.create_slice(request)

    provider.create_slice(request)

    assert len(provider.list_slices().slices) == 1
    with pytest.raises(AlreadyExists, match="slice s-1 of cluster lab"):
        provider.create_slice(project.request(group, uid="s-2"))


def error_of_creation(project, request):
    provider = project.provider()
    creation = provider.create_slice(request)
    return eventually(lambda: provider.creation_error(creation, request.zone))


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_a_stockout_is_told_by_the_operation_however_late(project, seconds):
    project.emulator.inject("stockout", zone="europe-west4-b", seconds=seconds)

    error = error_of_creation(project, project.request())

    assert isinstance(error, OutOfCapacity)
    assert "no more capacity in the zone" in str(error)
    project.provider().create_slice(project.request(zone="us-central1-a"))
    eventually(lambda: is_up(project))
    assert project.the_slice().zone == "us-central1-a"


def test_a_stockout_of_plain_vms_is_out_of_capacity(project):
    project.emulator.inject("stockout", api="compute")

    error = error_of_creation(project, project.request("cpu"))

    assert isinstance(error, OutOfCapacity)
    assert "does not have enough resources" in str(error)


@pytest.mark.parametrize("group", ["v5e", "cpu"])
def test_a_creation_that_goes_well_has_no_error(project, group):
    provider, request = project.provider(), project.request(group)
    creation = provider.create_slice(request)

    eventually(lambda: is_up(project))

    assert provider.creation_error(creation, request.zone) is None
    assert provider.creation_error(f"{creation}-forgotten", request.zone) is None


@pytest.mark.parametrize(("group", "api"), [("v5e", "tpu"), ("cpu", "compute")])
def test_a_quota_that_is_used_up_is_no_stockout(project, group, api):
    project.emulator.inject("quota", api=api)

    with pytest.raises((NoQuota, QuotaFull), match="uota"):
        project.provider().create_slice(project.request(group))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("not-permitted", NotPermitted),
        ("unavailable", Unavailable),
        ("rate-limited", RateLimited),
    ],
)
def test_a_refused_create_makes_nothing(project, fault, kind):
    project.emulator.inject(fault, api="tpu", verb="create")

    with pytest.raises(kind):
        project.provider().create_slice(project.request())

    assert project.provider().list_slices().slices == ()


@pytest.mark.parametrize(("group", "api"), [("v5e", "tpu"), ("cpu", "compute")])
def test_too_many_calls_are_no_full_quota(project, group, api):
    project.emulator.inject("rate-limited", api=api, verb="create", times=9)

    with pytest.raises(RateLimited):
        project.provider().create_slice(project.request(group))


@pytest.mark.parametrize("fault", ["reply-lost", "reply-garbled"])
def test_a_lost_answer_of_compute_engine_makes_one_vm_at_once(project, fault):
    project.emulator.inject(fault, api="compute", verb="create")

    project.provider().create_slice(project.request("cpu"))

    eventually(lambda: is_up(project))


@pytest.mark.parametrize("fault", ["reply-lost", "reply-garbled"])
def test_a_create_whose_answer_was_lost_is_asked_again_and_makes_one(project, fault):
    project.emulator.inject(fault, api="tpu", verb="create")
    provider, request = project.provider(), project.request()

    with pytest.raises(CloudError):
        provider.create_slice(request)
    provider.create_slice(request)

    eventually(lambda: is_up(project))
    rows = [r for r in project.emulator.ledger() if r["name"] == request.name]
    assert len([r for r in rows if not r["deleted_at"]]) == 1


def test_a_preempted_slice_is_listed_as_such_until_it_is_deleted(project):
    provider, request = project.provider(), project.request("spot")
    provider.create_slice(request)
    eventually(lambda: is_up(project))

    project.emulator.inject("preemption", name=request.name)

    eventually(lambda: project.the_slice().phase is Phase.PREEMPTED)
    assert "PREEMPTED" in project.the_slice().words
    provider.delete_slice(request.name, request.zone)
    eventually(lambda: provider.list_slices().slices == ())


def test_a_state_that_nobody_knows_is_looked_at_again(project):
    project.provider().create_slice(project.request())
    eventually(lambda: is_up(project))

    project.emulator.inject("unknown-state", times=2)

    assert project.the_slice().phase is Phase.UNCLEAR


def test_a_zone_that_does_not_answer_is_named(project):
    project.provider().create_slice(project.request())
    project.provider().create_slice(
        project.request(name="lab-far", uid="s-2", zone="us-central1-a")
    )
    project.emulator.inject("unreachable-zone", zone="us-central1-a", times=0)

    listing = project.provider().list_slices()

    assert list(listing.unlisted_zones) == ["us-central1-a"]
    assert [each.uid for each in listing.slices] == ["s-1"]
    with pytest.raises(HalfListed, match="us-central1-a") as half:
        project.provider().list_leftovers()
    assert [each.name for each in half.value.found] == ["lab-v5e-1"]


def test_pages_of_one_entry_are_all_read(project):
    for i in range(3):
        project.provider().create_slice(project.request(name=f"lab-{i}", uid=f"s-{i}"))
    project.emulator.inject("small-pages", times=0)

    assert len(project.provider().list_slices().slices) == 3


def test_where_all_zones_at_once_are_refused_each_is_asked(project):
    project.provider().create_slice(project.request())
    project.emulator.inject("zone-closed", api="tpu", zone="-", times=0)
    project.emulator.inject("zone-closed", api="tpu", zone="us-central1-a", times=0)

    listing = project.provider().list_slices()

    assert [each.uid for each in listing.slices] == ["s-1"]
    assert list(listing.unlisted_zones) == ["us-central1-a"]
    # to cleanup it is a zone that has nothing
    assert [each.name for each in project.provider().list_leftovers()] == ["lab-v5e-1"]


def test_a_list_that_is_refused_everywhere_is_no_empty_list(project):
    project.emulator.inject("not-permitted", api="tpu", verb="list", times=0)

    with pytest.raises(NotPermitted):
        project.provider().list_slices()


def test_what_a_namesake_has_is_not_deleted_by_its_name(project):
    request = project.request()
    project.provider("c-2").create_slice(request)

    project.provider("c-1").delete_slice(request.name, request.zone)

    assert len(project.provider("c-2").list_slices().slices) == 1


@pytest.mark.parametrize("group", ["v5e", "cpu"])
def test_vms_are_told_of_another_controller(project, group):
    provider, request = project.provider(), project.request(group)
    provider.create_slice(request)
    eventually(lambda: is_up(project))

    provider.announce_controller(request.name, request.zone, "http://127.0.0.1:2")

    eventually(lambda: project.the_slice().controller_url == "http://127.0.0.1:2")


def test_everything_carries_the_labels_of_cluster_and_owner(project):
    project.provider().create_slice(project.request("held"))
    project.provider().create_controller(project.controller())

    rows = [r for r in project.emulator.ledger() if not r["deleted_at"]]

    ours = [r["labels"] for r in rows if r["labels"].get("iris-uid") == "c-1"]
    assert len(ours) >= 3
    wanted = {"iris-cluster": "lab", "team": "research"}
    assert all(wanted.items() <= labels.items() for labels in ours)


def test_a_slice_is_left_over_with_what_it_costs_an_hour(project):
    request = project.request()
    project.provider().create_slice(request)

    (left,) = project.provider().list_leftovers()

    price = slice_price("v5litepod-16", request.group.capacity, request.zone)
    assert (left.kind, left.price) == ("slice", price)
    assert price == pytest.approx(24.96)


def test_a_state_disk_of_another_cluster_is_taken_only_when_it_is_named(project):
    first = project.provider("c-1")
    first.create_controller(project.controller("c-1"))
    first.delete_controller()

    with pytest.raises(Rejected, match="uid c-1") as refused:
        project.provider("c-2").create_controller(project.controller("c-2"))
    taken = project.provider("c-2").create_controller(
        project.controller("c-2", adopt="c-1")
    )

    assert "--adopt c-1" in refused.value.hint
    assert taken.cluster_uid == "c-1"


def test_a_plain_vm_is_deleted_twice_where_there_are_no_tpus(project):
    provider, request = project.provider(), project.request("cpu")
    provider.create_slice(request)
    project.emulator.inject("zone-closed", api="tpu", zone=request.zone, times=0)

    provider.delete_slice(request.name, request.zone)
    eventually(lambda: provider.list_slices().slices == ())
    provider.delete_slice(request.name, request.zone)

    assert provider.list_leftovers() == ()
