"""Outputs: collected before the end is told, whatever is cut on the way."""

from __future__ import annotations

import os
import signal

import pytest

from iris.bundles import unpack
from iris.domain.jobs import EndCause
from iris.processes import send
from tests.support.eventually import eventually
from tests.support.small_disk import small_disk
from tests.support.vm import Vm

LEAVES = 'echo "weights of $0" >"$IRIS_OUTPUT_DIR/model"'


def fetched(vm, uid, tmp_path):
    """What came of an attempt, file by file."""
    packed = tmp_path / f"{uid}.tar.gz"
    packed.write_bytes(vm.controller.outputs[uid])
    unpack(packed, tmp_path / uid)
    return {p.name: p.read_text() for p in (tmp_path / uid).iterdir()}


def requests(vm, uid):
    return vm.controller.asked[f"/v1/attempts/{uid}/outputs"]


def test_what_an_attempt_leaves_is_there_once_its_end_is_told(vm, tmp_path):
    ends = {"a-1": "exit 0", "a-2": "exit 3", "a-3": "echo ready; exec sleep 4323"}
    for uid, end in ends.items():
        vm.controller.run(uid, "sh", "-c", f"{LEAVES}; {end}", uid)
    eventually(lambda: vm.controller.output("a-3") == "ready\n")
    vm.controller.want("a-3", "stop")

    states = {uid: vm.ended(uid).state for uid in ends}

    assert states == {"a-1": "succeeded", "a-2": "failed", "a-3": "cancelled"}
    for uid in ends:
        assert uid in vm.controller.offers
        assert fetched(vm, uid, tmp_path) == {"model": f"weights of {uid}\n"}
    eventually(lambda: os.listdir(vm.root / "attempts") == [])
    assert os.listdir(vm.root / "collected") == []


def test_an_attempt_that_leaves_nothing_asks_nothing(vm):
    vm.controller.run("a-1", "sh", "-c", 'test -d "$IRIS_OUTPUT_DIR"')
    vm.controller.run("a-2", "sh", "-c", 'rmdir "$IRIS_OUTPUT_DIR"')

    assert {vm.ended(uid).state for uid in ("a-1", "a-2")} == {"succeeded"}
    assert (requests(vm, "a-1"), requests(vm, "a-2")) == (0, 0)
    assert not (vm.root / "collected").exists()


def test_too_much_fails_the_attempt_in_one_clear_line_and_nothing_is_sent(vm):
    line = 'truncate -s 50GB "$IRIS_OUTPUT_DIR/huge"; echo done'
    vm.controller.run("a-1", "sh", "-c", line)
    vm.controller.run("a-2", "sh", "-c", f"{line}; exit 3")

    large, failed = vm.ended("a-1"), vm.ended("a-2")

    words = "left 50.0 GB in IRIS_OUTPUT_DIR; more than 1.0 GB is not kept"
    assert (large.state, large.cause) == ("failed", EndCause.OUTPUTS_REFUSED)
    assert (large.detail, large.outputs_missing) == (words, words)
    assert vm.controller.output("a-1") == f"done\niris: {words}\n"
    assert (failed.cause, failed.exit_code) == (EndCause.EXITED, 3)
    assert failed.outputs_missing == words
    assert requests(vm, "a-1") == 0


@pytest.fixture
def small_vm(tmp_path):
    with small_disk(tmp_path / "disk", megabytes=16) as disk:
        vm = Vm(disk / "vm")
        yield vm
        vm.close()


def test_without_room_to_pack_it_has_failed_by_itself_and_says_so(small_vm):
    line = 'head -c 9000000 /dev/urandom >"$IRIS_OUTPUT_DIR/noise"; echo done'
    small_vm.controller.run("a-1", "sh", "-c", line)

    large = small_vm.ended("a-1")

    words = "its VM has no room to pack what it left: No space left on device"
    assert (large.state, large.cause) == ("failed", EndCause.OUTPUTS_REFUSED)
    assert (large.detail, large.outputs_missing) == (words, words)
    assert small_vm.controller.output("a-1") == f"done\niris: {words}\n"
    assert requests(small_vm, "a-1") == 0


def test_caches_make_room_for_outputs(small_vm, tmp_path):
    cached = 'head -c 8000000 /dev/zero >"$IRIS_CACHE_DIR/mine"'
    small_vm.controller.run("a-1", "sh", "-c", cached)
    assert small_vm.ended("a-1").state == "succeeded"
    line = 'head -c 4000000 /dev/urandom | base64 >"$IRIS_OUTPUT_DIR/noise"'
    small_vm.controller.run("a-2", "sh", "-c", line)

    assert small_vm.ended("a-2").state == "succeeded"
    assert list(fetched(small_vm, "a-2", tmp_path)) == ["noise"]


def test_what_is_left_out_is_said_in_the_log(vm, tmp_path):
    line = f'{LEAVES}; ln -s /etc/passwd "$IRIS_OUTPUT_DIR/link"'
    vm.controller.run("a-1", "sh", "-c", line, "a-1")
    vm.controller.run("a-2", "sh", "-c", "cd ..; rmdir outputs; ln -s / outputs")

    assert vm.ended("a-1").state == "succeeded"
    assert list(fetched(vm, "a-1", tmp_path)) == ["model"]
    assert vm.controller.output("a-1") == (
        "iris: not among the outputs: link: a link out of the folder, to /etc/passwd\n"
    )
    assert vm.ended("a-2").cause is EndCause.OUTPUTS_REFUSED


def test_the_end_waits_while_the_controller_has_no_room(vm):
    vm.controller.takes_outputs = False
    vm.controller.run("a-1", "sh", "-c", LEAVES, "a-1")
    eventually(lambda: requests(vm, "a-1") > 1)
    eventually(lambda: "being collected" in vm.controller.detail("a-1"))

    assert vm.controller.state("a-1") == "running"
    vm.controller.takes_outputs = True
    assert vm.ended("a-1").state == "succeeded"


@pytest.mark.parametrize("cut", ["agent", "controller"])
def test_a_cut_on_the_way_loses_nothing(vm, cut, tmp_path):
    vm.controller.takes_outputs = False
    line = 'head -c 9000000 /dev/urandom | base64 >"$IRIS_OUTPUT_DIR/noise"'
    vm.controller.run("a-1", "sh", "-c", f"{line}; wc -c <$IRIS_OUTPUT_DIR/noise")
    eventually(lambda: requests(vm, "a-1"))

    if cut == "agent":
        send(eventually(vm.agent), signal.SIGKILL)
    else:
        vm.controller.is_away = True
        eventually(lambda: "outputs of attempt a-1 waits" in vm.log())
        vm.controller.is_away = False
    vm.controller.takes_outputs = True

    assert vm.ended("a-1").state == "succeeded"
    arrived = fetched(vm, "a-1", tmp_path)["noise"]
    assert len(arrived) == int(vm.controller.output("a-1"))
