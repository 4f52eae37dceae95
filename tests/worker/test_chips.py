"""The chips of a TPU VM: looked at before a slice has work, and before each attempt.

The devices are plain files here: the kernel's own refusal (EBUSY) is not seen.
"""

from __future__ import annotations

import pytest

from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from iris.worker.chips import why_busy
from tests.support.eventually import eventually
from tests.support.vm import Vm

CHIPS = Resources(cpus=4, chips=2)


@pytest.fixture
def dev(tmp_path):
    """The devices of a machine with two chips."""
    folder = tmp_path / "machine" / "dev"
    folder.mkdir(parents=True)
    for index in range(2):
        (folder / f"accel{index}").touch()
    return folder


@pytest.fixture
def make_tpu_vm(dev):
    made: list[Vm] = []

    def make() -> Vm:
        made.append(Vm(dev.parent / "vm", resources=CHIPS))
        return made[-1]

    yield make
    for vm in made:
        vm.close()


def test_a_chip_that_somebody_has_is_busy_and_says_whose_it_is(dev):
    chip = dev / "accel1"
    assert why_busy([chip]) == ""

    with chip.open("rb"):
        assert why_busy([chip]).startswith(f"{chip} is held by py")

    assert why_busy([chip]) == ""


def test_a_chip_that_cannot_be_opened_says_why(dev):
    assert (
        why_busy([dev / "accel9"]) == f"{dev}/accel9 fails: No such file or directory"
    )


def test_an_attempt_waits_for_its_chips(make_tpu_vm, dev):
    vm = make_tpu_vm()
    eventually(lambda: vm.controller.heartbeats)

    with (dev / "accel0").open("rb"):
        vm.controller.run("a-1", "true", resources=CHIPS)
        eventually(lambda: "attempt a-1 waits" in vm.log())
        eventually(lambda: "is held by" in vm.controller.detail("a-1"))
        assert vm.controller.state("a-1") == "preparing"

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED
    assert all(not beat.notice for beat in vm.controller.heartbeats)


def test_an_attempt_without_chips_waits_for_none(make_tpu_vm, dev):
    vm = make_tpu_vm()
    eventually(lambda: vm.controller.heartbeats)

    with (dev / "accel0").open("rb"):
        vm.controller.run("a-1", "true")

        assert vm.ended("a-1").state is AttemptState.SUCCEEDED


def test_a_vm_with_too_few_chips_never_registers_and_says_why(make_tpu_vm, dev):
    (dev / "accel1").unlink()
    vm = make_tpu_vm()

    eventually(lambda: "failed" in [phase.phase for phase in vm.controller.phases])

    assert vm.controller.phases[-1].detail == "1 of 2 chips are there"
    assert vm.controller.registrations == []


def test_a_vm_registers_once_its_chips_are_free(make_tpu_vm, dev):
    with (dev / "accel0").open("rb"):
        vm = make_tpu_vm()
        eventually(lambda: "failed" in [phase.phase for phase in vm.controller.phases])
        assert "is held by" in vm.controller.phases[-1].detail

    eventually(lambda: vm.controller.registrations)
