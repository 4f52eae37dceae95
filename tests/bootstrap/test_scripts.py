"""The scripts of a fresh VM, run by bash against a metadata server of the test."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iris.bootstrapping import pack_text
from iris.paths import bootstrap_folder
from tests.support.http_server import Asked, HttpServer, Said

FLAVOR = "/computeMetadata/v1/instance/"
SECRET = "join-token-of-worker-0"
MOST_OF_AN_ATTRIBUTE = 256 * 1024
STAND_INS = {
    # what it was asked for, with all its words, stays to be read
    "docker": 'echo "$*" >>"$IRIS_ROOT/docker.log"; [ "$1" != "$FAILING" ]',
    "blkid": "false",
    "mkfs.ext4": "true",
    "mountpoint": "false",
    "mount": 'echo "$*" >>"$IRIS_ROOT/mount.log"',
    "sleep": "true",
}


class Machine:
    """A folder that stands for a VM, and the metadata server that it asks."""

    def __init__(self, root: Path, server: HttpServer) -> None:
        self.root = root
        self.server = server
        self.attributes: dict[str, str] = {}
        self.reports: list[tuple[str, dict[str, object]]] = []
        self.bin = root / "bin"
        self.bin.mkdir()
        (root / "dev/disk/by-id").mkdir(parents=True)
        (root / "dev/disk/by-id/google-iris-state").touch()
        for name, words in STAND_INS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{words}\n")
            (self.bin / name).chmod(0o755)

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/health":
            return Said()
        if asked.method == "POST":
            self.reports.append((asked.token, json.loads(asked.body)))
            return Said()
        path = asked.path.removeprefix(FLAVOR)
        if path == "network-interfaces/0/ip":
            return Said(body=b"127.0.0.1")
        value = self.attributes.get(path.removeprefix("attributes/"))
        return Said(404) if value is None else Said(body=value.encode())

    def run(self, script: str, failing: str = "") -> str:
        """What the console shows."""
        environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "IRIS_ROOT": str(self.root),
            "GCE_METADATA_HOST": self.server.url.removeprefix("http://"),
            "FAILING": failing,
        }
        ran = subprocess.run(
            ["bash", str(bootstrap_folder() / script)],
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return (ran.stdout + ran.stderr).decode()

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with HttpServer(lambda asked: made.answer(asked)) as server:
        made = Machine(tmp_path, server)
        yield made


def controller(machine: Machine, text: str = "name: eu\n") -> Machine:
    machine.attributes = {
        "iris-config": pack_text(text),
        "iris-uid": "c1",
        "iris-image": "example.com/iris-controller:1",
        "iris-port": str(machine.server.port),
        "ssh-keys": "iris:ssh-ed25519 AAAA iris",
    }
    return machine


def worker(machine: Machine) -> Machine:
    machine.attributes = {
        "iris-slice": "eu-tpu-1",
        "iris-controller": machine.server.url,
        "iris-image": "example.com/iris-worker:1",
        "agent-worker-number": "0",
        "iris-join-token-0": SECRET,
    }
    return machine


def test_a_controllers_machine_boots_phase_by_phase(machine: Machine):
    said = controller(machine).run("controller.sh")

    phases = [x.removeprefix("iris-phase: ") for x in said.splitlines() if "phase" in x]
    assert phases == [
        *("boot started", "config written", "state disk mounted", "docker ready"),
        *("image pulled", "container started", "controller healthy"),
    ]
    assert machine.read("etc/iris/config.yaml") == b"name: eu\n"
    assert json.loads(machine.read("var/lib/iris/machine/machine.json")) == {
        "cluster_uid": "c1"
    }
    mode = (machine.root / "etc/iris/config.yaml").stat().st_mode
    assert mode & 0o777 == 0o600


PIECES = (
    *("a", "\r\n", "\n", "'", '"', "$HOME", "$(id)", "`id`", "\\", "EOF\n"),
    *("<<'IRIS'\n", "é", "🙂", "%s", "\t", "!", "\x7f"),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(st.sampled_from(PIECES)))
def test_any_text_arrives_as_it_was(machine: Machine, parts: list[str]):
    text = "".join(parts)

    controller(machine, text).run("controller.sh")

    assert machine.read("etc/iris/config.yaml") == text.encode()


def test_the_largest_file_of_the_worst_text_fits_an_attribute(machine: Machine):
    chance = random.Random(7)
    text = "".join(chr(chance.randrange(1, 128)) for _ in range(200 * 1024))

    said = controller(machine, text).run("controller.sh")

    assert len(pack_text(text)) <= MOST_OF_AN_ATTRIBUTE
    assert "controller healthy" in said
    assert machine.read("etc/iris/config.yaml") == text.encode()


def test_the_state_disk_of_another_cluster_is_not_written_on(machine: Machine):
    state = machine.root / "mnt/iris-state"
    state.mkdir(parents=True)
    (state / "iris-uid").write_text("c-of-others")

    said = controller(machine).run("controller.sh")

    assert "failed because the state disk is of cluster uid c-of-others" in said
    assert "docker ready" not in said
    assert (state / "iris-uid").read_text() == "c-of-others"


def test_an_image_that_cannot_be_pulled_ends_the_boot_with_its_reason(
    machine: Machine,
):
    said = worker(machine).run("worker.sh", failing="pull")

    assert "failed because image example.com/iris-worker:1 cannot be pulled" in said
    phases = [report["phase"] for _, report in machine.reports]
    assert phases.count("image pull failed") == 6
    assert "failed" in phases


def test_a_worker_tells_each_phase_under_its_join_token_alone(machine: Machine):
    said = worker(machine).run("worker.sh")

    told = {(token, report["phase"]) for token, report in machine.reports}
    assert told == {
        (f"Bearer {SECRET}", phase)
        for phase in (
            *("boot started", "docker ready", "image pulled", "container started"),
        )
    }
    assert SECRET not in said
    assert SECRET.encode() not in machine.read("docker.log")


@pytest.mark.parametrize("index", [None, "", "one"])
def test_a_worker_without_an_index_does_not_become_worker_0(
    machine: Machine, index: str | None
):
    worker(machine)
    del machine.attributes["agent-worker-number"]
    if index is not None:
        machine.attributes["agent-worker-number"] = index

    said = machine.run("worker.sh")

    assert "failed because this VM was not told its index" in said
    assert "container started" not in said
    assert not (machine.root / "docker.log").exists()


def test_show_prints_a_file_of_the_controllers_machine_and_no_other(machine: Machine):
    (machine.root / "mnt/iris-state").mkdir(parents=True)
    (machine.root / "mnt/iris-state/operator.token").write_text("a-token\n")
    script = str(bootstrap_folder() / "show.sh")
    environment = {**os.environ, "IRIS_ROOT": str(machine.root)}

    def show(name: str) -> subprocess.CompletedProcess[bytes]:
        words = ["bash", script, name]
        return subprocess.run(
            words, env=environment, capture_output=True, timeout=20, check=False
        )

    assert show("operator.token").stdout == b"a-token\n"
    assert show("controller.log").returncode == 66
    assert show("../../etc/passwd").returncode == 64


def test_what_both_scripts_need_is_the_same_in_both():
    texts = [(bootstrap_folder() / f"{n}.sh").read_text() for n in _PROGRAMS]
    functions = [
        text[text.index("install_docker() {") : text.index("pull() {")]
        for text in texts
    ]

    assert functions[0] == functions[1]


_PROGRAMS = ("controller", "worker")
