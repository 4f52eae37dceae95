"""What takes Google Cloud minutes, against an emulator that takes its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.clock import RealClock
from iris.config import parse_config
from iris.domain.endpoints import Endpoints
from iris.emulator.core import Delays
from iris.errors import OutOfCapacity
from iris.providers.contract import (
    ControllerRequest,
    Phase,
    SliceRequest,
    Surroundings,
)
from iris.providers.gcp import Provider
from tests.emulator.conftest import PROJECT, Cloud
from tests.providers.gcp.conftest import FILE
from tests.support.clouds import Clouds
from tests.support.eventually import eventually

CONFIG = parse_config(FILE.replace("iris-rehearsal", PROJECT))


class Slow:
    """A cluster of a cloud whose every step can be held up."""

    def __init__(self, folder: Path) -> None:
        self._clouds = Clouds(folder)
        self._meet(self._clouds.now)

    def _meet(self, cloud: Cloud) -> None:
        self.cloud, url = cloud, cloud.url
        around = Surroundings(Endpoints(url, url, url))
        self.provider = Provider(CONFIG, "c-1", RealClock(), around)

    def restart(self) -> None:
        """Another emulator, on what the former one left."""
        self._meet(self._clouds.restart())

    def made(self, group: str, phase: Phase = Phase.UP) -> SliceRequest:
        """A slice of a group, once it stands as it should."""
        request = request_for(group)
        self.provider.create_slice(request)
        eventually(lambda: self.phases() == [phase])
        return request

    def phases(self) -> list[Phase]:
        return [each.phase for each in self.provider.list_slices().slices]


def request_for(group: str) -> SliceRequest:
    found = next(g for g in CONFIG.groups() if g.name == group)
    return SliceRequest(
        name=f"lab-{group}-1",
        uid="s-1",
        group=found,
        zone=found.zones[0],
        controller_url="http://127.0.0.1:1",
        join_tokens=tuple(f"join-{i}" for i in range(found.vms)),
    )


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    made = Slow(tmp_path)
    yield made
    made.cloud.close()


@pytest.mark.parametrize("group", ["v5e", "held"])
def test_what_is_being_deleted_is_deleted_again_without_a_word(slow: Slow, group: str):
    request = slow.made(group)
    slow.cloud.core.delays = Delays(tpu_delete=3600.0, vm_stopping=3600.0)

    for _ in range(2):
        slow.provider.delete_slice(request.name, request.zone)

    assert slow.phases() == [Phase.DELETING]


def test_one_that_goes_back_into_the_queue_is_still_coming(slow: Slow):
    slow.cloud.core.delays = Delays(stockout=0.3)
    slow.cloud.driver.room = 2

    slow.made("held", Phase.CREATING)

    words = set()
    eventually(
        lambda: (
            words.update(s.words for s in slow.provider.list_slices().slices)
            or "WAITING_FOR_RESOURCES" in words
        )
    )
    assert slow.phases() == [Phase.CREATING]
    slow.cloud.driver.room = 8
    eventually(lambda: slow.phases() == [Phase.UP])


@pytest.mark.parametrize("fault", ["preemption", "suspended"])
def test_a_queued_slice_that_was_taken_is_no_slice_to_wait_for(slow: Slow, fault: str):
    request = slow.made("held")

    slow.cloud.fault(fault, name=request.name)

    eventually(lambda: slow.phases() == [Phase.PREEMPTED])
    slow.provider.delete_slice(request.name, request.zone)
    eventually(lambda: slow.phases() == [])
    assert slow.cloud.driver.addressed == frozenset()


def test_addresses_that_are_not_there_yet_are_no_addresses(slow: Slow):
    slow.cloud.core.delays = Delays(tpu_ready=3600.0)
    slow.cloud.fault("bare-endpoints", times=0)

    slow.made("v5e", Phase.CREATING)

    found = eventually(lambda: len(slow.cloud.driver.up) == 4) and [
        slow.provider.list_slices().slices[0].addresses for _ in range(3)
    ]
    assert {len([a for a in each if a]) for each in found} == {0, 2}


def test_the_words_of_a_slice_without_room_are_a_stockout(slow: Slow):
    slow.cloud.driver.room = 2
    request = request_for("v5e")

    creation = slow.provider.create_slice(request)

    error = eventually(lambda: slow.provider.creation_error(creation, request.zone))
    assert isinstance(error, OutOfCapacity)
    assert slow.phases() == []


def test_a_controller_is_seen_at_once_though_lists_lag_behind(slow: Slow):
    slow.cloud.fault("stale-list", api="compute", seconds=1800, times=0)

    made = slow.provider.create_controller(ControllerRequest("c-1", "name: lab", ""))

    (seen,) = slow.provider.list_controllers()
    assert (seen.name, seen.cluster_uid) == (made.name, "c-1")
    left = slow.provider.list_leftovers()
    assert {each.kind for each in left} == {"controller", "disk"}


def test_a_controller_that_is_gone_is_gone_though_lists_lag_behind(slow: Slow):
    slow.provider.create_controller(ControllerRequest("c-1", "name: lab", ""))
    slow.restart()  # what it finds was always there
    slow.cloud.fault("stale-list", api="compute", seconds=1800, times=0)

    slow.provider.delete_controller()

    assert slow.provider.list_controllers() == ()
    assert {each.kind for each in slow.provider.list_leftovers()} == {"disk"}
