"""The emulator's program: what it says when it cannot start."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.emulator import running_emulator
from tests.support.eventually import eventually


def start(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "iris.emulator", "--folder", str(folder), *words]
    return subprocess.run(
        program, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        ended = start(tmp_path, "--port", str(port))

    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"iris.emulator: cannot listen on 127.0.0.1:{port}: ")
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_port_that_cannot_be_is_wrong_usage(tmp_path: Path):
    assert start(tmp_path, "--port", "99999").returncode == 2


@pytest.mark.parametrize(
    ("text", "objection"),
    [
        ("faults: [{kind: small-pages, zone: here}]", "`zone` names nothing here"),
        ("faults: [{kind: flood}]", "flood"),
    ],
)
def test_a_fault_that_cannot_strike_is_wrong_usage(
    tmp_path: Path, text: str, objection: str
):
    file = tmp_path / "faults.yaml"
    file.write_text(text)

    ended = start(tmp_path / "home", "--faults", str(file))

    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert f"{file}: " in line
    assert objection in line


def test_it_answers_on_its_port_again_right_after_it_ended(tmp_path: Path):
    with running_emulator(tmp_path) as first:
        url = first.base_url
    with running_emulator(tmp_path) as again:
        assert again.base_url == url
        eventually(lambda: answers(url))


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).status_code == 404
    except requests.ConnectionError:
        return False
