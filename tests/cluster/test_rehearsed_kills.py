"""What is killed in the middle of a boot or of growth is taken up again, whole."""

from __future__ import annotations

import signal

import pytest
import requests

from tests.support.eventually import eventually
from tests.support.killing import (
    OWNER,
    clean_up,
    kill_controller,
    made,
    of_controllers_vm,
    rehearsing,
)

pytestmark = pytest.mark.heavy  # about a minute
FILE = "eu-west4.yaml"
START = ("cluster.start", "--config", FILE, "--rehearse")
GANG = ("--tpu", "v5litepod-16", "--no-bundle", "--name", "gang")
LONG = 60.0  # seconds


@pytest.fixture
def terminal(tmp_path):
    with rehearsing(tmp_path, FILE) as made:
        yield made


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

    kill_controller(terminal)

    terminal.ok("job.wait", "gang")
    assert made(terminal, "slice") == [1]
    clean_up(terminal)


def test_a_controllers_vm_that_is_gone_is_made_anew_and_what_runs_goes_on(terminal):
    terminal.ok(*START)
    terminal.ok("job.run", *GANG, "--", "sh", "-c", "sleep 6; echo done")
    eventually(lambda: "4 running" in terminal.ok("job.list"), within=LONG)
    url = of_controllers_vm(terminal)
    requests.delete(url, headers=OWNER, timeout=10).raise_for_status()

    terminal.ok("cluster.restart")
    terminal.ok("job.wait", "gang")

    assert made(terminal, "slice") == [1]
    assert terminal.ok("job.logs", "gang").count("done") == 4
    clean_up(terminal)
