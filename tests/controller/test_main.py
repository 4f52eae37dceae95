"""The controller's program: how it starts, stops, and says why it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from tests.support.eventually import eventually

CONFIG = """
name: main-test
provider: {local: {}}
controller: {port: 0}
scale_groups: {cpu: {cpus: 4, memory: 8GB}}
"""


class Program:
    """A controller's two folders, and the processes that a test starts on them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        cluster = self.home / "local" / "main-test"
        self.machine, self.state = cluster / "controller", cluster / "state"
        for each in (self.machine, self.state):
            each.mkdir(parents=True)
        self.config(CONFIG)
        (self.machine / "machine.json").write_text('{"cluster_uid": "uid-1"}')
        self.processes: list[subprocess.Popen[str]] = []

    def config(self, text: str) -> None:
        (self.machine / "config.yaml").write_text(text)

    def start(self, shell_words: str = "") -> subprocess.Popen[str]:
        """Start one more; `shell_words` come before it in the same process."""
        folders = f"--machine {self.machine} --state {self.state}"
        command = f"{shell_words} exec {sys.executable} -m iris.controller {folders}"
        process = subprocess.Popen(
            ["/bin/bash", "-c", command],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"IRIS_HOME": str(self.home)},
        )
        self.processes.append(process)
        return process

    def start_and_wait(self, shell_words: str = "") -> subprocess.Popen[str]:
        process = self.start(shell_words)
        eventually(lambda: self.address().get("pid") == process.pid)
        return process

    def address(self) -> dict[str, object]:
        file = self.machine / "address.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        token = (self.state / "operator.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.address()['url']}{path}"
        return requests.request(method, url, headers=headers, timeout=20, **options)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=20)


@pytest.fixture
def program(tmp_path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program.end()


def last_line(process: subprocess.Popen[str]) -> str:
    """The one line of a controller that would not start."""
    _, errors = process.communicate(timeout=30)
    lines = [line for line in errors.splitlines() if " ERROR " in line]
    assert "Traceback" not in errors
    assert len(lines) == 1, errors
    return lines[0]


def grant_until_it_ends(program: Program) -> Iterator[int]:
    """The statuses of as many grants as the controller lives for."""
    for _ in range(1000):
        grant = {"role": "viewer", "user": "eve" * 20}
        try:
            yield program.ask("POST", "/v1/access", json=grant).status_code
        except (requests.ConnectionError, ChunkedEncodingError):
            return  # the process ends, maybe in the middle of an answer


def test_it_starts_answers_and_stops_in_order(program: Program):
    process = program.start_and_wait()

    health = program.ask("GET", "/health").json()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)

    loops = {loop["name"] for loop in health["loops"]}
    assert (health["cluster_uid"], health["ok"]) == ("uid-1", True)
    assert loops == {"scheduler", "autoscaler", "retention"}
    assert process.returncode == 0
    assert "controller started cluster=main-test uid=uid-1 url=http://127." in errors
    assert errors.splitlines()[-1].endswith("controller stopped cluster=main-test")


def test_a_stop_ends_open_streams_at_once(program: Program):
    process = program.start_and_wait()
    stream = program.ask("GET", "/v1/events:stream", stream=True)

    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    stream.close()

    assert process.returncode == 0
    assert time.monotonic() - began < 5


def test_it_comes_back_on_its_former_port_with_its_token_after_a_kill(
    program: Program,
):
    process = program.start_and_wait()
    url, token = program.address()["url"], (program.state / "operator.token")
    former = token.read_text()
    program.ask("POST", "/v1/access", json={"role": "user", "user": "ada"})
    process.kill()
    process.wait(timeout=20)

    program.start_and_wait()

    assert (program.address()["url"], token.read_text()) == (url, former)
    users = [g["user"] for g in program.ask("GET", "/v1/access").json()["items"]]
    assert users == ["operator", "ada"]


def test_a_second_controller_on_the_same_state_is_refused_by_name(program: Program):
    first = program.start_and_wait()

    line = last_line(program.start())

    assert program.processes[1].returncode == 1
    assert f"held by the controller of cluster main-test (pid {first.pid})" in line


def test_a_taken_port_ends_it_with_one_line(program: Program):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program.config(CONFIG.replace("port: 0", f"port: {port}"))

        line = last_line(program.start())

    assert program.processes[0].returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: something else listens there" in line


def test_a_wrong_cluster_file_ends_it_with_status_2(program: Program):
    program.config(CONFIG.replace("scale_groups", "scale_group"))

    line = last_line(program.start())

    assert program.processes[0].returncode == 2
    assert "scale_groups" in line


def test_an_unreadable_database_ends_it_with_one_line(program: Program):
    (program.state / "iris.db").write_bytes(b"not a database at all" * 1000)

    line = last_line(program.start())

    assert program.processes[0].returncode == 1
    assert "iris.db" in line


def test_a_commit_that_fails_ends_it_with_its_reason(program: Program):
    # files may grow to 200 KB: the disk is full soon, for this process alone
    process = program.start_and_wait("ulimit -f 200;")

    statuses = set(grant_until_it_ends(program))
    line = last_line(process)

    assert process.returncode == 1
    assert "code=store-failed" in line
    assert statuses <= {201, 507}
