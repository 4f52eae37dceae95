"""The controller, or its VM, is killed at each phase of a boot and of a slice."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.support.eventually import eventually
from tests.support.killing import (
    OWNER,
    clean_up,
    kill_controller,
    living,
    made,
    of_controllers_vm,
    rehearsing,
    reset_controllers_vm,
)

pytestmark = pytest.mark.heavy  # about three minutes
FILE = "eu-west4.yaml"
START = ("cluster.start", "--config", FILE, "--rehearse")
GANG = ("--tpu", "v5litepod-16", "--no-bundle", "--name", "gang")
LONG = 60.0  # seconds
BOOT_PHASES = (
    "boot started",
    "config written",
    "state disk mounted",
    "docker ready",
    "image pulled",
    "container started",
    "controller healthy",
)
KILLS = {"process": kill_controller, "vm": reset_controllers_vm}


@pytest.fixture
def terminal(tmp_path):
    with rehearsing(tmp_path, FILE) as made:
        yield made


def console(terminal):
    """What the controller's VM said on its serial port, over all boots."""
    url = of_controllers_vm(terminal, "serialPort")
    answer = requests.get(url, headers=OWNER, timeout=10)
    return answer.json().get("contents", "")


def said(terminal, words):
    """Did the controller's log say so, on whatever VM it ran?"""
    logs = Path(terminal.folder).rglob("controller.log")
    return any(words in log.read_text(errors="replace") for log in logs)


def test_every_phase_of_the_boot_script_is_struck_below():
    script = Path("bootstrap/controller.sh").read_text()

    named = [line.split('"')[1] for line in script.splitlines() if 'phase "' in line]

    assert sorted(named) == sorted(BOOT_PHASES)


@pytest.mark.parametrize("phase", BOOT_PHASES)
def test_a_controllers_vm_that_fails_in_its_boot_boots_again(terminal, phase):
    starting = terminal.start(*START)
    eventually(lambda: f"iris-phase: {phase}" in console(terminal), within=LONG)
    reset_controllers_vm(terminal)
    _, err = starting.communicate(timeout=LONG)
    assert starting.returncode == 0, err

    terminal.ok("job.run", *GANG, "--", "true")
    terminal.ok("job.wait", "gang")

    assert made(terminal, "vm", "disk", "slice") == [1, 2, 1]
    clean_up(terminal)


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("words", ["slice wanted", "slice created", "gang assigned"])
def test_a_controller_that_dies_while_a_slice_comes_makes_no_other(
    terminal, words, kill
):
    terminal.ok(*START)
    terminal.ok("job.run", *GANG, "--", "true")
    eventually(lambda: said(terminal, words), within=LONG)

    KILLS[kill](terminal)

    terminal.ok("job.wait", "gang")
    assert made(terminal, "vm", "slice") == [1, 1]
    clean_up(terminal)


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("words", ["", "slice deleting", "slice deletion asked"])
def test_a_controller_that_dies_while_a_slice_goes_lets_it_go(terminal, words, kill):
    terminal.ok(*START)
    terminal.ok("job.run", *GANG, "--", "true")
    terminal.ok("job.wait", "gang")
    (slice_name,) = living(terminal, "slice")
    terminal.ok("worker.drain", f"{slice_name}/0")
    eventually(lambda: said(terminal, words), within=LONG)

    KILLS[kill](terminal)

    eventually(lambda: living(terminal, "slice") == [], within=LONG)
    assert made(terminal, "slice") == [1]
    clean_up(terminal)
