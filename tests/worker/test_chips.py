"""The chips of a TPU VM: looked at before a slice has work, and before each attempt.

Their devices are harmless ones of the kernel's where we may make them, else plain
files. The kernel's own refusal (EBUSY) is not seen.
"""

from __future__ import annotations

import sys

import pytest

from iris.domain.jobs import EndCause
from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.worker.chips import why_busy
from tests.support.chips import a_chip, a_stranger
from tests.support.eventually import eventually
from tests.support.vm import Vm

CHIPS = Resources(cpus=4, chips=2)
HALF = Resources(cpus=2, chips=1)


@pytest.fixture
def dev(tmp_path):
    """The devices of a machine with two chips."""
    folder = tmp_path / "machine" / "dev"
    for index in range(2):
        a_chip(folder, index)
    return folder


@pytest.fixture
def make_tpu_vm(dev):
    made: list[Vm] = []

    def make(**told: object) -> Vm:
        made.append(Vm(dev.parent / "vm", resources=CHIPS, **told))
        return made[-1]

    yield make
    for vm in made:
        vm.close()


def test_a_chip_that_somebody_has_is_busy_and_says_whose_it_is(dev):
    chip = dev / "accel1"
    assert why_busy([chip]) == ""

    with a_stranger(chip) as pid:
        assert (
            why_busy([dev / "accel0", chip]) == f"{chip} is held by sleep (pid {pid})"
        )

    assert why_busy([chip]) == ""


def test_a_chip_is_told_by_its_device_wherever_its_holder_sees_it(dev, tmp_path):
    chip, other = dev / "accel0", tmp_path / "of a container" / "accel0"
    other.parent.mkdir()
    other.hardlink_to(chip)

    with a_stranger(other) as pid:
        assert why_busy([chip]) == f"{chip} is held by sleep (pid {pid})"


def test_another_device_of_the_same_name_holds_no_chip(dev, tmp_path):
    other = tmp_path / "accel0"
    other.touch()

    with a_stranger(other):
        assert why_busy([dev / "accel0"]) == ""


def test_a_worker_in_a_container_sees_its_whole_machine(dev, monkeypatch, tmp_path):
    """A process of another container is in the machine's /proc alone."""
    monkeypatch.setenv("IRIS_ROOT", str(dev.parent))
    fd = dev.parent / "machine/proc/4711/fd"
    fd.mkdir(parents=True)
    (fd.parent / "comm").write_text("python\n")
    (fd / "3").symlink_to(dev / "accel0")

    assert why_busy([dev / "accel0"]).endswith("accel0 is held by python (pid 4711)")


def test_a_chip_that_cannot_be_opened_says_why(dev):
    assert (
        why_busy([dev / "accel9"]) == f"{dev}/accel9 fails: No such file or directory"
    )


def test_an_attempt_waits_for_its_chips(make_tpu_vm, dev):
    vm = make_tpu_vm()
    eventually(lambda: vm.controller.heartbeats)

    with a_stranger(dev / "accel0"):
        vm.controller.run("a-1", "true", resources=CHIPS)
        eventually(lambda: "attempt a-1 waits" in vm.log())
        eventually(lambda: "is held by sleep" in vm.controller.detail("a-1"))
        assert vm.controller.state("a-1") == "preparing"

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED
    assert all(not beat.notice for beat in vm.controller.heartbeats)


def test_a_worker_whose_chips_a_stranger_keeps_says_that_it_is_unfit(make_tpu_vm, dev):
    vm = make_tpu_vm(chips_timeout=0.5)
    eventually(lambda: vm.controller.heartbeats)

    with a_stranger(dev / "accel0") as pid:
        vm.controller.run("a-1", "true", resources=CHIPS)
        ended = vm.ended("a-1")
        notice = eventually(lambda: vm.controller.heartbeats[-1].notice)

    assert notice == f"{dev}/accel0 is held by sleep (pid {pid})"
    assert (ended.state, ended.cause) == (AttemptState.LOST, EndCause.PREPARE_FAILED)
    assert ended.detail == notice


def test_chips_that_another_attempt_uses_make_no_worker_unfit(make_tpu_vm, dev):
    vm = make_tpu_vm(chips_timeout=0.0)
    hold = "import sys, time; held = open(sys.argv[1]); time.sleep(1000)"
    vm.controller.run(
        "a-1", sys.executable, "-c", hold, str(dev / "accel0"), resources=HALF
    )
    eventually(lambda: why_busy([dev / "accel0"]))

    vm.controller.run("a-2", "true", resources=HALF)
    eventually(lambda: "is held by python" in vm.controller.detail("a-2"))
    vm.controller.want("a-1", "stop")

    assert vm.ended("a-2").state is AttemptState.SUCCEEDED
    assert all(not beat.notice for beat in vm.controller.heartbeats)


def test_an_attempt_without_chips_waits_for_none(make_tpu_vm, dev):
    vm = make_tpu_vm()
    eventually(lambda: vm.controller.heartbeats)

    with a_stranger(dev / "accel0"):
        vm.controller.run("a-1", "true")

        assert vm.ended("a-1").state is AttemptState.SUCCEEDED


def test_a_vm_with_too_few_chips_never_registers_and_says_why(make_tpu_vm, dev):
    (dev / "accel1").unlink()
    vm = make_tpu_vm()

    eventually(lambda: "failed" in [phase.phase for phase in vm.controller.phases])

    assert vm.controller.phases[-1].detail == "1 of 2 chips are there"
    assert vm.controller.registrations == []


def test_a_vm_registers_once_its_chips_are_free(make_tpu_vm, dev):
    with a_stranger(dev / "accel0"):
        vm = make_tpu_vm()
        eventually(lambda: "failed" in [phase.phase for phase in vm.controller.phases])
        assert "is held by" in vm.controller.phases[-1].detail

    eventually(lambda: vm.controller.registrations, within=30.0)
