"""A controller on a real disk that others fill to the last byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller.test_main import Program
from tests.support.small_disk import fill, small_disk

JOB = {"spec": {"command": ["true"], "name": "job"}}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    with small_disk(program.state, megabytes=32):
        yield program
        program.end()


def submit(program: Program, client_id: str) -> int:
    body = JOB | {"client_id": client_id}
    return program.ask("POST", "/v1/jobs", json=body).status_code


def test_a_disk_filled_by_others_refuses_work_but_lets_it_end(program: Program):
    process = program.start_and_wait()
    program.ask("POST", "/v1/cluster:drain")  # a slice would outlive the controller
    accepted = submit(program, "early")

    others = program.state / "others"
    fill(others)
    refused = program.ask("POST", "/v1/jobs", json=JOB | {"client_id": "late"})
    cancelled = program.ask("POST", "/v1/jobs/job:cancel")
    full = program.ask("GET", "/health").json()["disk"]
    statuses = set()
    for turn in range(100):
        grant = {"role": "user", "user": f"user-{turn}"}
        statuses.add(program.ask("POST", "/v1/access", json=grant).status_code)

    process.kill()
    _, said = process.communicate(timeout=20)
    program.start_and_wait()  # even this has room
    state = program.ask("GET", "/v1/jobs/job").json()["state"]
    others.unlink()

    assert accepted == 201
    assert (refused.status_code, refused.json()["code"]) == (507, "disk-full")
    assert (cancelled.status_code, statuses) == (200, {201})
    assert full["level"] == "full"
    assert state == "cancelled"
    assert submit(program, "late") == 201
    assert said.count("ballast given up") == 1
    assert "Traceback" not in said
