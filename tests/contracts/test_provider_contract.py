from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from iris.errors import AlreadyExists, NotFound
from iris.providers.contract import Phase
from tests.support.eventually import eventually


def phases(provider):
    return {each.name: each.phase for each in provider.list_slices().slices}


# Slices


def test_a_slice_that_was_asked_for_comes_up_with_its_labels(cloud):
    provider, request = cloud.provider(), cloud.slice_request()

    provider.create_slice(request)

    assert phases(provider) in ({request.name: p} for p in (Phase.CREATING, Phase.UP))
    eventually(lambda: phases(provider) == {request.name: Phase.UP})
    (listed,) = provider.list_slices().slices
    labels = (listed.name, listed.uid, listed.group, listed.zone)
    assert labels == (request.name, request.uid, "v5e", request.zone)
    assert listed.created_at > 0


def test_asking_again_for_the_same_slice_makes_no_second_one(cloud):
    provider, request = cloud.provider(), cloud.slice_request()
    provider.create_slice(request)
    eventually(lambda: phases(provider) == {request.name: Phase.UP})
    before = provider.list_slices().slices

    provider.create_slice(request)

    assert provider.list_slices().slices == before


def test_a_name_that_another_slice_has_is_refused(cloud):
    provider = cloud.provider()
    provider.create_slice(cloud.slice_request(uid="s-1"))

    with pytest.raises(AlreadyExists, match="s-1"):
        provider.create_slice(cloud.slice_request(uid="s-2"))

    assert [each.uid for each in provider.list_slices().slices] == ["s-1"]


def test_a_deleted_slice_is_absent_and_its_name_is_free(cloud):
    provider, request = cloud.provider(), cloud.slice_request()
    provider.create_slice(request)

    provider.delete_slice(request.name, request.zone)
    eventually(lambda: phases(provider) == {})
    provider.create_slice(cloud.slice_request(uid="s-2"))

    assert [each.uid for each in provider.list_slices().slices] == ["s-2"]


def test_deleting_what_is_not_there_is_success(cloud):
    cloud.provider().delete_slice("contract-v5e-gone", "local")

    assert phases(cloud.provider()) == {}


def test_a_slice_that_is_deleted_while_it_comes_up_stays_deleted(cloud):
    provider, request = cloud.provider(), cloud.slice_request()
    provider.create_slice(request)

    provider.delete_slice(request.name, request.zone)

    eventually(lambda: phases(provider) == {})
    assert [e for e in provider.list_leftovers() if e.kind == "slice"] == []


def test_slices_of_a_namesake_are_not_listed(cloud):
    mine, theirs = cloud.provider("c-1"), cloud.provider("c-2")
    mine.create_slice(cloud.slice_request("contract-cpu-1", "s-1", "cpu"))
    theirs.create_slice(cloud.slice_request("contract-cpu-2", "s-2", "cpu"))

    assert list(phases(mine)) == ["contract-cpu-1"]
    assert list(phases(theirs)) == ["contract-cpu-2"]
    assert sorted(phases(cloud.provider(""))) == ["contract-cpu-1", "contract-cpu-2"]


def test_a_listing_says_when_the_question_was_asked(cloud):
    provider = cloud.provider()

    first, second = provider.list_slices(), provider.list_slices()

    assert first.slices == second.slices == ()
    assert 0 < first.began_at <= second.began_at
    assert first.unlisted_zones == {}


# The controller


def controller_of(provider):
    (machine,) = provider.list_controllers()
    return machine


def health_of(provider):
    """What answers under the controller's address, which a cloud knows before it."""
    address = eventually(lambda: controller_of(provider).address)

    def answer():
        try:
            return requests.get(f"http://{address}/health", timeout=10).json()
        except requests.ConnectionError:
            return None

    return eventually(answer, within=30.0)


def test_a_controller_answers_under_the_address_that_is_listed(cloud):
    provider = cloud.provider()

    made = provider.create_controller(cloud.controller_request())

    health = health_of(provider)
    assert (health["cluster"], health["cluster_uid"]) == ("contract", "c-1")
    listed = controller_of(provider)
    assert (listed.name, listed.cluster_uid) == (made.name, "c-1")
    assert listed.phase is Phase.UP


def test_a_second_controller_is_refused_and_the_first_is_named(cloud):
    provider = cloud.provider()
    provider.create_controller(cloud.controller_request())

    with pytest.raises(AlreadyExists, match="contract"):
        provider.create_controller(cloud.controller_request())

    assert health_of(provider)["ok"]


def test_of_two_that_start_the_same_controller_at_once_one_wins(cloud):
    def start(_):
        try:
            cloud.provider().create_controller(cloud.controller_request())
        except AlreadyExists as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(start, range(4)))

    assert said.count("won") == 1
    assert all("contract" in words for words in said if words != "won")
    assert health_of(cloud.provider())["ok"]


def test_a_controller_that_comes_again_has_the_state_of_the_first(cloud):
    provider = cloud.provider()
    provider.create_controller(cloud.controller_request("c-1"))
    health_of(provider)
    token = provider.read_controller_file("operator.token")

    provider.delete_controller()
    made = provider.create_controller(cloud.controller_request("c-2", adopt="c-1"))

    assert made.cluster_uid == health_of(provider)["cluster_uid"] == "c-1"
    assert provider.read_controller_file("operator.token") == token


def test_a_deleted_controller_is_listed_no_more_and_its_disk_is_kept(cloud):
    provider = cloud.provider()
    provider.create_controller(cloud.controller_request())
    health_of(provider)

    provider.delete_controller()
    provider.delete_controller()  # absence is success

    assert provider.list_controllers() == ()
    assert "disk" in [each.kind for each in provider.list_leftovers()]


def test_the_controller_of_a_namesake_is_not_deleted(cloud):
    provider = cloud.provider("c-1")
    provider.create_controller(cloud.controller_request("c-1"))

    cloud.provider("c-2").delete_controller()

    assert health_of(provider)["cluster_uid"] == "c-1"


def test_slices_outlive_their_controller(cloud):
    provider, request = cloud.provider(), cloud.slice_request()
    provider.create_controller(cloud.controller_request())
    provider.create_slice(request)
    eventually(lambda: phases(provider) == {request.name: Phase.UP})

    provider.delete_controller()

    assert phases(provider) == {request.name: Phase.UP}


def test_the_log_of_a_controller_can_be_read_and_nothing_else(cloud):
    provider = cloud.provider()
    with pytest.raises(NotFound):
        provider.read_controller_file("controller.log")
    provider.create_controller(cloud.controller_request())
    health_of(provider)

    # it answers before it says so
    eventually(
        lambda: b"controller started" in provider.read_controller_file("controller.log")
    )
    with pytest.raises(NotFound, match=r"iris\.db"):
        provider.read_controller_file("iris.db")
    with pytest.raises(NotFound):
        provider.read_controller_file("../controller.log")


def test_a_controllers_boot_log_is_empty_before_it_and_says_something_after(cloud):
    provider = cloud.provider()
    assert provider.read_boot_log() == ""

    provider.create_controller(cloud.controller_request())
    health_of(provider)

    eventually(lambda: provider.read_boot_log() != "")


# What is left


def test_everything_of_a_cluster_is_listed_and_can_be_deleted(cloud):
    provider, request = cloud.provider(), cloud.slice_request()
    provider.create_controller(cloud.controller_request())
    provider.create_slice(request)

    found = {each.kind: each for each in provider.list_leftovers()}
    assert sorted(found) == ["controller", "disk", "slice"]
    assert {each.cluster_uid for each in found.values()} == {"c-1"}
    for kind in ("controller", "slice", "disk"):
        provider.delete_leftover(found[kind])
        provider.delete_leftover(found[kind])  # absence is success
        assert kind not in [each.kind for each in provider.list_leftovers()]


def test_what_a_namesake_left_is_not_listed_as_ours(cloud):
    cloud.provider("c-2").create_slice(cloud.slice_request())

    assert cloud.provider("c-1").list_leftovers() == ()
    assert len(cloud.provider("").list_leftovers()) == 1
