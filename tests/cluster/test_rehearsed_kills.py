"""What is killed in the middle of a boot or of growth is taken up again, whole."""

from __future__ import annotations

import json
import signal

import pytest
import requests

from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

pytestmark = pytest.mark.heavy  # about a minute
FILE = "eu-west4.yaml"
START = ("cluster.start", "--config", FILE, "--rehearse")
GANG = ("--tpu", "v5litepod-16", "--no-bundle", "--name", "gang")
LONG = 60.0  # seconds


@pytest.fixture
def terminal(tmp_path):
    """Somebody with an emulator; at the end nothing of it lives."""
    made = Terminal(tmp_path)
    made.ok("rehearse.start", "--config", FILE)
    yield made
    made.ok("rehearse.stop")
    eventually(lambda: processes_in(tmp_path) == [])


def emulator(terminal):
    return json.loads((terminal.home / "emulator" / "emulator.json").read_bytes())


def ledger(terminal):
    """Every resource that ever was."""
    url = f"{emulator(terminal)['admin_url']}ledger"
    answer = requests.get(url, headers={"X-Iris-Admin": "1"}, timeout=10)
    return answer.json()["resources"]


def made(terminal, *kinds):
    """How many of each kind there ever were."""
    found = [row["kind"] for row in ledger(terminal)]
    return [found.count(kind) for kind in kinds]


def clean_up(terminal):
    terminal.ok("cleanup", "--no-dry-run")
    assert [row for row in ledger(terminal) if not row["deleted_at"]] == []


def controllers(terminal):
    return [
        process
        for process in processes_in(terminal.folder)
        if "iris.controller" in " ".join(process.cmdline())
    ]


@pytest.mark.parametrize("kind", ["disk", "vm"])
def test_a_start_that_is_killed_is_begun_again_and_makes_nothing_twice(terminal, kind):
    starting = terminal.start(*START)
    eventually(lambda: made(terminal, kind)[0] > 0)
    starting.send_signal(signal.SIGKILL)
    starting.communicate(timeout=LONG)

    terminal.ok(*START)

    # the state disk, and the controller's VM with the disk that it boots from
    assert made(terminal, "vm", "disk") == [1, 2]
    clean_up(terminal)


def test_a_controller_that_is_killed_while_a_slice_comes_makes_no_second_one(terminal):
    terminal.ok(*START)
    terminal.ok("job.run", *GANG, "--", "true")
    eventually(lambda: made(terminal, "slice") == [1])

    for process in controllers(terminal):
        process.kill()

    terminal.ok("job.wait", "gang")
    assert made(terminal, "slice") == [1]
    clean_up(terminal)


def test_a_controllers_vm_that_is_gone_is_made_anew_and_what_runs_goes_on(terminal):
    terminal.ok(*START)
    terminal.ok("job.run", *GANG, "--", "sh", "-c", "sleep 6; echo done")
    eventually(lambda: "4 running" in terminal.ok("job.list"), within=LONG)
    said = emulator(terminal)
    vms = f"{said['compute_url']}projects/hai-gcp-models/zones/europe-west4-b/instances"
    owner = {"Authorization": "Bearer owner"}
    gone = requests.delete(f"{vms}/iris-eu-controller", headers=owner, timeout=10)
    gone.raise_for_status()

    terminal.ok("cluster.restart")
    terminal.ok("job.wait", "gang")

    assert made(terminal, "slice") == [1]
    assert terminal.ok("job.logs", "gang").count("done") == 4
    clean_up(terminal)
