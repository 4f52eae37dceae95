"""A stranger on one VM keeps a chip: the work waits, then goes on on another slice."""

from __future__ import annotations

import json

import pytest

from iris.paths import examples_folder
from tests.support.chips import a_chip, a_stranger
from tests.support.eventually import eventually
from tests.support.killing import clean_up, made, rehearsing
from tests.support.terminal import Terminal

pytestmark = pytest.mark.heavy  # about half a minute
GANG = ("--tpu", "v5litepod-16", "--no-bundle")
WORKER = "worker:\n"


@pytest.fixture
def terminal(tmp_path):
    text = (examples_folder() / "eu-west4.yaml").read_text()
    file = tmp_path / "eu-west4.yaml"
    file.write_text(text.replace(WORKER, f"{WORKER}  chips_timeout: 3s\n"))
    with rehearsing(tmp_path, str(file)) as made:
        made.ok("cluster.start", "--config", str(file), "--rehearse")
        yield made


def a_slice_with_chips(terminal: Terminal):
    """Its VMs' folders of devices, by the VM's index."""
    terminal.ok("job.run", *GANG, "--name", "first", "--follow", "--", "true")
    found = terminal.home.glob("emulator/**/containers/iris-worker/root")
    devices = sorted(root / "dev" for root in found)
    for folder in devices:
        for index in range(4):
            a_chip(folder, index)
    return devices


def test_work_waits_for_its_chips_and_then_goes_on_on_another_slice(terminal):
    folders = a_slice_with_chips(terminal)

    with a_stranger(folders[2] / "accel1") as pid:
        held = f"accel1 is held by sleep (pid {pid})"
        terminal.ok("job.run", *GANG, "--name", "gang", "--", "true")
        eventually(lambda: held in terminal.ok("probe.why", "gang"), within=30.0)
        terminal.ok("job.wait", "gang")

    assert len(folders) == 4
    assert made(terminal, "slice") == [2]
    status = json.loads(terminal.ok("job.status", "gang", "--json"))
    assert {(t["failures"], t["losses"]) for t in status["tasks"]} == {(0, 1)}
    assert held in json.dumps(status["attempts"])
    assert held in terminal.ok("probe.events")
    clean_up(terminal)
