"""A VM of a cloud finds out who it is, where its controller went, and that it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from iris.errors import Unreachable, UsageError
from iris.worker.discovery import controller_url, read_metadata
from iris.worker.folders import VmFolder
from iris.worker.surroundings import (
    MetadataServer,
    metadata_address,
    read_surroundings,
)
from tests.support.eventually import eventually
from tests.support.fake_controller import FakeController
from tests.support.http_server import HttpServer, Said
from tests.support.metadata_server import FakeMetadata, surroundings


@pytest.fixture
def cloud():
    made = FakeMetadata(surroundings())
    yield made
    made.close()


def read(cloud):
    return read_surroundings(MetadataServer(cloud.address, patience=5.0))


def test_a_vm_is_told_all_of_it_by_its_metadata_server(cloud):
    told = read(cloud)

    assert (told.cluster, told.slice_name, told.index, told.vms) == (
        *("test", "slice"),
        *(1, 4),
    )
    assert (told.join_token, told.address) == ("join-1", "127.0.0.1")
    assert told.resources.cpus == 4


def test_how_much_may_be_cached_is_told_or_else_the_default(cloud):
    before = read(cloud).cache_bytes
    cloud.values["attributes/iris-cache-bytes"] = "5000"

    assert (before, read(cloud).cache_bytes) == (20 * 10**9, 5000)


def test_how_long_chips_are_waited_for_is_told_or_else_the_default(cloud):
    before = read(cloud).chips_timeout
    cloud.values["attributes/iris-chips-timeout"] = "0.5"

    assert (before, read(cloud).chips_timeout) == (60.0, 0.5)


def test_without_a_file_a_keeper_asks_the_metadata_server(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.address)

    told = read_metadata(VmFolder(tmp_path))

    assert told.metadata_address == cloud.address
    assert told.slice_name == "slice"


def test_a_plain_vm_has_the_index_that_we_gave_it(cloud):
    del cloud.values["attributes/agent-worker-number"]
    cloud.values["attributes/iris-index"] = "0"

    assert read(cloud).index == 0


@pytest.mark.parametrize("index", [None, "", " ", "one", "-1"])
def test_a_missing_or_blank_index_is_an_error_and_never_index_0(cloud, index):
    if index is None:
        del cloud.values["attributes/agent-worker-number"]
    else:
        cloud.values["attributes/agent-worker-number"] = index

    with pytest.raises(UsageError, match=r"index|agent-worker-number"):
        read(cloud)


def test_an_index_beyond_the_slice_is_an_error(cloud, tmp_path, monkeypatch):
    cloud.values["attributes/agent-worker-number"] = "4"
    cloud.values["attributes/iris-join-token-4"] = "x"
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.address)

    with pytest.raises(UsageError, match="index 4 of 4"):
        read_metadata(VmFolder(tmp_path))


def test_a_503_of_the_metadata_server_passes(cloud):
    cloud.away = 2

    assert read(cloud).slice_name == "slice"


def test_a_metadata_server_that_is_away_is_unreachable_in_time():
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        MetadataServer("127.0.0.1:1", patience=0.1).get("name")


def test_the_controllers_address_is_asked_for_each_time(cloud):
    told = read(cloud)
    cloud.set("attributes/iris-controller", "http://127.0.0.1:2")

    assert controller_url(told) == "http://127.0.0.1:2"


@pytest.mark.parametrize("value", [None, "", " "])
def test_an_address_that_is_gone_or_blank_is_no_news(cloud, value):
    told = read(cloud)
    cloud.values.pop("attributes/iris-controller")
    if value is not None:
        cloud.values["attributes/iris-controller"] = value

    assert controller_url(told) == "http://127.0.0.1:1"


def test_letters_that_nobody_can_read_are_no_end():
    with HttpServer(lambda asked: Said(body=b"\xff\xfe")) as server:
        address = server.url.removeprefix("http://")

        assert MetadataServer(address, patience=0.0).get("name").value


def test_the_metadata_server_has_its_usual_name_unless_another_is_set():
    assert metadata_address({}) == "metadata.google.internal"
    assert metadata_address({"GCE_METADATA_HOST": "127.0.0.1:5"}) == "127.0.0.1:5"


# A whole VM


@pytest.fixture
def cloud_vm(make_vm, cloud, monkeypatch):
    """A keeper that knows nothing but the metadata server."""
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.address)
    monkeypatch.setenv("IRIS_STOP_TIMEOUT", "25")  # as bootstrap/worker.sh says it
    vm = make_vm(told_by_cloud=True)
    cloud.set("attributes/iris-controller", vm.controller.url)
    return vm


def test_a_vm_that_is_a_folder_keeps_to_it(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.address)
    monkeypatch.setenv("IRIS_ROOT", str(tmp_path))

    words = [sys.executable, "-m", "iris.worker", "--vm", "/var/cache/iris/vm"]
    keeper = subprocess.Popen(words, start_new_session=True)
    eventually(lambda: (tmp_path / "var/cache/iris/vm/keeper.json").exists())
    keeper.terminate()

    assert keeper.wait(timeout=10) == 0


def test_a_vm_follows_its_controller_to_a_new_address(cloud_vm, cloud):
    eventually(lambda: cloud_vm.controller.heartbeats)
    moved = FakeController()

    cloud_vm.controller.is_away = True
    cloud.set("attributes/iris-controller", moved.url)

    eventually(lambda: moved.heartbeats, within=10)
    moved.close()


def test_a_vm_whose_controller_moved_before_it_joined_finds_it(
    make_vm, cloud, monkeypatch
):
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.address)
    vm = make_vm(told_by_cloud=True)  # of an address where nobody listens
    eventually(lambda: cloud.asked["attributes/iris-controller"] >= 3)

    cloud.set("attributes/iris-controller", vm.controller.url)

    eventually(lambda: vm.controller.heartbeats, within=10)
    assert len(vm.controller.registrations) == 1


def test_a_metadata_server_that_holds_nothing_is_not_asked_without_a_pause(
    cloud_vm, cloud
):
    cloud.holds = False

    eventually(lambda: len(cloud_vm.controller.heartbeats) >= 5, within=10)
    cloud.set("preempted", "TRUE")

    eventually(lambda: any(b.notice for b in cloud_vm.controller.heartbeats))
    assert cloud.asked["preempted"] < 100


def test_a_preempted_vm_says_so_at_once_and_its_attempts_are_losses(cloud_vm, cloud):
    says = "trap 'cat $IRIS_DEADLINE_FILE; exit 3' TERM; sleep 99 & wait"
    cloud_vm.controller.run("a-1", "sh", "-c", says, stop_grace=300.0)
    cloud_vm.controller.run("a-2", "sh", "-c", "trap 'exit 0' TERM; sleep 99 & wait")
    cloud_vm.is_running("a-1")
    cloud_vm.is_running("a-2")

    cloud.set("preempted", "TRUE")

    ended = cloud_vm.ended("a-1")
    assert (ended.state, ended.cause) == ("lost", "preempted")
    assert "preempts" in ended.detail
    until = float(cloud_vm.controller.output("a-1"))
    assert until - ended.ended_at <= 25.0  # the cloud's time, not the job's
    assert cloud_vm.ended("a-2").state == "succeeded"  # it was done by then
    told = [beat for beat in cloud_vm.controller.heartbeats if beat.notice]
    assert "preempts" in told[0].notice
    assert 0 < told[0].goes_in <= 25.0
    cloud_vm.controller.run("a-3", "true")
    assert cloud_vm.ended("a-3").cause == "preempted"  # nothing begins any more


def test_a_shutdown_that_is_quicker_than_its_notice_makes_no_failures(cloud_vm, cloud):
    says = "trap 'cat $IRIS_DEADLINE_FILE; exit 3' TERM; sleep 99 & wait"
    cloud_vm.controller.run("a-1", "sleep", "1000")
    cloud_vm.controller.run("a-2", "sh", "-c", says)
    cloud_vm.is_running("a-1")
    cloud_vm.is_running("a-2")
    (pid,) = cloud_vm.pids_of("a-1")
    eventually(lambda: cloud.held["preempted"])
    cloud.set_untold("preempted", "TRUE")

    os.kill(pid, signal.SIGTERM)
    first = cloud_vm.ended("a-1")
    cloud_vm.keeper.send_signal(signal.SIGTERM)
    second = cloud_vm.ended("a-2")

    assert (first.state, first.cause) == ("lost", "preempted")
    assert first.detail == "the cloud preempts this VM (ended by SIGTERM)"
    assert (second.state, second.cause) == ("lost", "preempted")
    until = float(cloud_vm.controller.output("a-2"))
    assert 0 < until - second.ended_at <= 20.0  # of the 25, five are for the rest
    cloud_vm.keeper.wait(timeout=20)
    assert "preempts" in cloud_vm.controller.heartbeats[-1].notice


def test_a_move_to_another_machine_is_no_end(cloud_vm, cloud):
    cloud_vm.controller.run("a-1", "sleep", "1000")
    cloud_vm.is_running("a-1")
    eventually(lambda: cloud.asked["maintenance-event"] >= 2)  # it waits for a change

    cloud.set("maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE")
    eventually(lambda: cloud.asked["maintenance-event"] >= 3)
    cloud.set("maintenance-event", "TERMINATE_ON_HOST_MAINTENANCE")

    assert "maintenance" in cloud_vm.ended("a-1").detail
