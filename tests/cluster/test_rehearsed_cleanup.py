"""Cleanup against the emulator: nothing of ours stays, nothing of others goes."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.terminal import Terminal

FILE = "cpu-only.yaml"


@pytest.fixture
def terminal(tmp_path):
    """Somebody whose rehearsed cluster runs."""
    made = Terminal(tmp_path)
    made.ok("cluster.start", "--config", FILE, "--rehearse")
    yield made
    made.ok("rehearse.stop")
    eventually(lambda: processes_in(tmp_path) == [])


@pytest.fixture
def cloud(terminal):
    """The emulator's Compute Engine, below its project and zone."""
    file = terminal.home / "emulator" / "emulator.json"
    said = json.loads(file.read_bytes())
    return f"{said['compute_url']}projects/hai-gcp-models/zones/europe-west4-b"


def ask(verb, url, **body):
    owner = {"Authorization": "Bearer owner"}
    answer = requests.request(verb, url, json=body or None, headers=owner, timeout=30)
    answer.raise_for_status()
    return answer.json()


def names(cloud, kind):
    return sorted(
        each["name"] for each in ask("GET", f"{cloud}/{kind}").get("items", ())
    )


def test_all_of_a_cluster_goes_and_its_tunnel_with_it(terminal, cloud):
    terminal.ok("cleanup", "--no-dry-run")

    assert (names(cloud, "instances"), names(cloud, "disks")) == ([], [])
    assert not (terminal.home / "clusters" / "iris-cpu").exists()
    eventually(lambda: not _tunnels(terminal))


def _tunnels(terminal):
    found = processes_in(terminal.folder)
    return [each for each in found if "iris.remote" in each.cmdline()]


def test_a_namesake_with_another_uid_is_not_touched(terminal, cloud):
    labels = {"iris-cluster": "iris-cpu", "iris-uid": "c-other", "iris-role": "state"}
    ask("POST", f"{cloud}/disks", name="other-state", sizeGb="10", labels=labels)

    said = terminal.ok("cleanup", "--no-dry-run")

    assert names(cloud, "disks") == ["other-state"]
    assert "c-other: not touched" in said


@pytest.mark.heavy
def test_a_lost_record_is_made_up_for_by_a_name(terminal, cloud):
    lost = terminal.home / "clusters" / "iris-cpu"
    record = (lost / "record.json").read_text()
    other = json.loads(record) | {"cluster": "other"}
    (lost.parent / "other").mkdir(mode=0o700)
    (lost.parent / "other" / "record.json").write_text(json.dumps(other))
    (lost.parent / "other" / "cluster.yaml").write_text(
        (lost / "cluster.yaml").read_text().replace("name: iris-cpu", "name: other")
    )
    (lost / "record.json").unlink()

    words = ("cleanup", "--cluster", "other", "--name", "iris-cpu")
    assert "iris-cpu-controller" in terminal.ok(*words)
    terminal.ok(*words, "--no-dry-run")

    assert (names(cloud, "instances"), names(cloud, "disks")) == ([], [])


@pytest.mark.heavy
def test_a_dead_controllers_cluster_goes_once_it_was_silent_long_enough(
    terminal, cloud
):
    words = ("cleanup", "--no-dry-run", "--if-controller-silent", "1s")
    assert "the controller answers" in terminal.ok(*words)
    ask("POST", f"{cloud}/instances/iris-cpu-controller/stop")

    assert "left alone: the controller was silent for 0 s" in terminal.ok(*words)
    eventually(lambda: "deleted; nothing is left" in terminal.ok(*words), within=60.0)
    assert (names(cloud, "instances"), names(cloud, "disks")) == ([], [])


@pytest.mark.heavy
def test_a_cloud_that_does_not_answer_counts_for_nothing(terminal, cloud):
    words = ("cleanup", "--no-dry-run", "--if-controller-silent", "1s")
    terminal.ok("rehearse.inject", "--kind", "unavailable", "--times", "0")

    assert [terminal.run(*words).status for _ in range(3)] == [1, 1, 1]

    silence = terminal.home / "clusters" / "iris-cpu" / "silence.json"
    assert json.loads(silence.read_bytes())["seconds"] == 0.0
