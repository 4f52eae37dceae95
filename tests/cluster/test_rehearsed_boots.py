"""Boots on a rehearsed Google Cloud: some fail, and of some nobody hears."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.eventually import eventually
from tests.support.killing import (
    controllers,
    emulator,
    ledger,
    of_controllers_vm,
    rehearsing,
    reset_controllers_vm,
)

FILE = "eu-west4.yaml"
START = ("cluster.start", "--config", FILE, "--rehearse")
GANG = ("job.run", "--tpu", "v5litepod-16", "--no-bundle", "--name", "gang")
LONG = 60.0  # seconds
OURS = {"X-Iris-Admin": "1"}


@pytest.fixture
def terminal(tmp_path):
    with rehearsing(tmp_path, FILE) as made:
        made.ok(*START)
        yield made


def inject(terminal, kind, **words):
    url = f"{emulator(terminal)['admin_url']}faults"
    answer = requests.post(url, headers=OURS, json={"kind": kind} | words, timeout=10)
    answer.raise_for_status()


def slices(terminal):
    found = json.loads(terminal.ok("probe.list-slices", "--json"))
    return {each["name"]: each for each in found}


def the_one_with_three(terminal):
    """The name of the only slice, of which three VMs have registered."""
    found = {
        s["name"]: (s["state"], s["registered"]) for s in slices(terminal).values()
    }
    assert list(found.values()) == [("booting", 3)], found
    return next(iter(found))


def test_a_vm_without_an_index_has_its_slice_replaced_at_once(terminal):
    inject(terminal, "no-index", worker=1)

    terminal.ok(*GANG, "--follow", "--", "true")  # long before the deadline of a boot

    first, second = [r["name"] for r in ledger(terminal) if r["kind"] == "slice"]
    events = terminal.ok("probe.events")
    assert "a boot failed: the VM at 127." in events
    assert "was not told its index" in terminal.ok(
        *("probe.bootstrap-logs", "--slice", first, "--worker", "-1")
    )
    assert second in slices(terminal)


def test_the_boot_of_a_vm_that_never_reported_is_read_over_ssh(terminal):
    inject(terminal, "metadata-unavailable", name="t1v-*-w-2", times=0)
    terminal.ok(*GANG, "--", "true")
    name = eventually(lambda: the_one_with_three(terminal), LONG)

    words = ("probe.bootstrap-logs", "--slice", name, "--worker")
    silent, told = terminal.ok(*words, "2"), terminal.ok(*words, "1")

    assert "iris-phase: boot started" in silent
    assert "worker 1: registered" in told
    assert "iris-phase" not in told
    assert "has reported nothing yet" in terminal.ok(*words, "7")
    assert "there is no slice 'x'" in terminal.refused(
        *("probe.bootstrap-logs", "--slice", "x", "--worker", "2"), status=1
    )


@pytest.mark.heavy
def test_a_controller_without_its_disk_does_not_touch_the_fleet(terminal):
    terminal.ok(*GANG, "--", "sleep", "1000")
    eventually(lambda: _running(terminal) == 4, LONG)
    # docker comes up, the script cannot mount the disk yet
    inject(terminal, "metadata-unavailable", name="*-controller", times=20)

    reset_controllers_vm(terminal)

    eventually(lambda: console(terminal).count("controller healthy") == 2, LONG)
    # and none before that: it would have known of no slice, and of no worker
    assert terminal.ok("probe.logs").count("controller started") == 2
    assert _tries(terminal, "gang") == [1] * 4
    assert _running(terminal) == 4


@pytest.mark.heavy
def test_a_vm_that_boots_again_loses_what_ran_on_it_once(tmp_path):
    with rehearsing(tmp_path, "cpu-only.yaml") as terminal:
        terminal.ok("cluster.start", "--config", "cpu-only.yaml", "--rehearse")
        terminal.ok("job.run", "--no-bundle", "--name", "one", "--", "sleep", "1000")
        eventually(lambda: _running(terminal) == 1, LONG)
        (name,) = slices(terminal)
        boots = ("probe.bootstrap-logs", "--slice", name)

        vms = of_controllers_vm(terminal).rpartition("/")[0]
        headers = {"Authorization": "Bearer owner"}
        requests.post(f"{vms}/{name}/reset", headers=headers, timeout=10)
        ready = "worker 0: container started"
        eventually(lambda: terminal.ok(*boots).count(ready) == 2, LONG)
        eventually(lambda: _tries(terminal, "one") == [2], LONG)
        eventually(lambda: _running(terminal) == 1, LONG)

        assert _tries(terminal, "one") == [2]


@pytest.mark.heavy
def test_a_boot_is_read_over_ssh_while_the_controller_says_nothing(terminal):
    terminal.ok(*GANG, "--follow", "--", "true")
    (name,) = slices(terminal)

    (controller,) = controllers(terminal)
    controller.suspend()
    said = terminal.ok("probe.bootstrap-logs", "--slice", name, "--worker", "2")
    controller.resume()

    assert "iris-phase: container started" in said
    assert "worker registered" in said.partition("iris-worker: ")[2]


def _tries(terminal, job):
    status = json.loads(terminal.ok("job.status", job, "--json"))
    return [task["attempts"] for task in status["tasks"]]


def _running(terminal):
    (job,) = json.loads(terminal.ok("job.list", "--json"))
    return job["counts"].get("running", 0)


def console(terminal):
    url = of_controllers_vm(terminal, "serialPort")
    headers = {"Authorization": "Bearer owner"}
    answer = requests.get(url, headers=headers, timeout=10)
    return answer.json().get("contents", "")
