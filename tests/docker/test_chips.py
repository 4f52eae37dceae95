"""Chips are real devices here, and who holds one is in a container of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from iris.domain.resources import Resources
from iris.domain.states import AttemptState
from tests.support.chips import a_chip
from tests.support.container_vm import ContainerVm
from tests.support.eventually import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
CHIP = Resources(cpus=1, chips=1)
HOLD = ("sh", "-c", "exec sleep 1000 </dev/accel0")


@pytest.fixture
def chip(tmp_path: Path) -> Path:
    return a_chip(tmp_path / "dev", 0)


def a_stranger(start, image: str, chip: Path):
    """A container that has the chip open, and how a person reads of it."""
    made = start(image, "--device", f"{chip}:/dev/accel0", "--", *HOLD)
    pid = eventually(lambda: made.inspect()["State"]["Pid"])
    return made, f"is held by sleep (pid {pid})"


def test_a_worker_in_its_container_sees_who_holds_a_chip_in_another(
    start, base, chip, run_worker, controller
):
    rights = ("--cap-add=SYS_PTRACE", "--device", f"{chip}:/dev/accel0")
    proc = ("--volume", "/proc:/machine/proc:ro")
    run_worker(*rights, *proc, resources=CHIP, chips_timeout=1.0)
    eventually(lambda: controller.heartbeats, within=60)
    stranger, held = a_stranger(start, base.name, chip)

    controller.run("a-1", "true", resources=CHIP)
    ended = eventually(lambda: controller.has_ended("a-1"), within=60)
    notice = eventually(lambda: controller.heartbeats[-1].notice)
    stranger.close()

    assert notice == f"/dev/accel0 {held}"
    assert (ended.state, ended.detail) == (AttemptState.LOST, notice)


def test_an_attempt_that_would_be_a_container_waits_for_one_that_holds_its_chip(
    start, engine, base, chip, tmp_path
):
    _, held = a_stranger(start, base.name, chip)
    vm = ContainerVm(tmp_path / "vm", engine, base.name)
    try:
        vm.controller.run("a-1", "true", resources=CHIP)
        eventually(lambda: held in vm.controller.detail("a-1"))
        assert vm.containers() == []
        vm.controller.want("a-1", "stop")

        assert vm.ended("a-1").state is AttemptState.CANCELLED
    finally:
        vm.close()
