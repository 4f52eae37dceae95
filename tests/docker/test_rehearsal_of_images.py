"""A production cluster file lives its whole life on the real images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import requests

from iris.images.engine import Engine
from iris.images.vm import LABEL
from tests.support.eventually import eventually
from tests.support.killing import OWNER, emulator
from tests.support.machine import processes_in
from tests.support.rehearsals import rehearse
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def terminal(engine: Engine, tmp_path):
    """Somebody with an engine; at the end nothing of theirs is in it."""
    yield Terminal(tmp_path)
    assert labelled(engine, "ps --all", tmp_path) == []
    assert labelled(engine, "network ls", tmp_path) == []
    assert not has_disk(tmp_path)
    eventually(lambda: processes_in(tmp_path) == [])


def labelled(engine: Engine, what: str, folder: Path) -> list[str]:
    """Containers or networks of emulators below a folder."""
    words = (*what.split(), "--filter", f"label={LABEL}", "--format", "{{.Labels}}")
    every = engine.run(*words, about="").splitlines()
    return [labels for labels in every if str(folder) in labels]


def has_disk(folder: Path) -> bool:
    """Is there a loop device of a file below it?"""
    words = ["losetup", "-a"]
    loops = subprocess.run(words, capture_output=True, text=True, check=True)
    return str(folder) in loops.stdout


@pytest.mark.heavy
def test_the_production_file_rehearses_on_the_images_that_it_names(terminal):
    report = rehearse(terminal, "eu-west4.yaml", "--vms", "docker")

    kept = {each["name"] for each in report["promises"] if each["is_kept"]}
    assert {"jobs succeeded", "nothing is left", "no run was doubled"} <= kept


@pytest.mark.parametrize("moment", ["the emulator starts", "the controller's VM boots"])
def test_a_rehearsal_that_nobody_reads_is_interrupted_and_leaves_nothing(
    terminal, engine, moment
):
    began = {
        "the emulator starts": lambda: labelled(engine, "network ls", terminal.folder),
        "the controller's VM boots": lambda: has_disk(terminal.folder),
    }
    words = ("rehearse", "--config", "eu-west4.yaml", "--vms", "docker")
    started = terminal.start(*words)
    started.stdout.close()
    started.stderr.close()
    eventually(began[moment], within=180.0)

    started.send_signal(signal.SIGINT)

    assert started.wait(timeout=60) == 130
    assert list((terminal.home / "rehearsals").iterdir()) == []


def test_an_emulator_that_was_killed_leaves_no_vm_to_whoever_ends_it(terminal, engine):
    started = json.loads(terminal.ok("rehearse.start", "--vms", "docker", "--json"))
    zone = f"projects/{started['project']}/zones/{started['zone']}"
    disk = {"name": "kept", "sizeGb": "10"}
    body = {
        "name": "vm-1",
        "machineType": f"zones/{started['zone']}/machineTypes/e2-small",
        "disks": [
            {"boot": True, "initializeParams": {}},
            {"initializeParams": {"diskName": "kept", **disk}, "deviceName": "kept"},
        ],
        "networkInterfaces": [{}],
    }
    url = f"{started['compute_url']}{zone}/instances"
    requests.post(url, json=body, headers=OWNER, timeout=10).raise_for_status()
    label = f"label={LABEL}={terminal.home / 'emulator'}"
    shown = ("ps", "--quiet", "--filter", label)
    eventually(lambda: engine.run(*shown, about="") != "", within=30.0)
    os.kill(emulator(terminal)["pid"], signal.SIGKILL)

    terminal.ok("rehearse.stop")

    assert engine.run("ps", "--all", "--quiet", "--filter", label, about="") == ""
    assert engine.run("network", "ls", "--quiet", "--filter", label, about="") == ""
