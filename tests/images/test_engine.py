"""The docker client where there is none, where it is silent, and where it is late."""

from __future__ import annotations

import os

import pytest

from iris.errors import EngineFailed, NoEngine
from iris.images.engine import Engine


@pytest.fixture
def client(tmp_path):
    """Puts a program named docker on a PATH of its own."""

    def make(script: str) -> Engine:
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return Engine({"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return make


def test_a_machine_without_docker_is_told_what_to_install(tmp_path):
    with pytest.raises(NoEngine, match="no docker client on the PATH") as caught:
        Engine({"PATH": str(tmp_path)}).require()

    assert "apt-get install docker.io" in caught.value.hint


def test_an_engine_that_does_not_answer_is_told_how_to_start(client):
    silent = client(
        "echo 'Cannot connect to the Docker daemon at unix:///x' >&2; exit 1"
    )

    with pytest.raises(NoEngine, match="Cannot connect to the Docker daemon") as caught:
        silent.require()

    assert "systemctl start docker" in caught.value.hint


def test_a_call_that_does_not_end_is_ended(client):
    stuck = client("exec sleep 600")

    with pytest.raises(EngineFailed, match="`docker info` did not end"):
        stuck.try_("info", deadline=0.2)
    with pytest.raises(EngineFailed, match="`docker pull` did not end"):
        stuck.stream("pull", "x", hear=lambda line: None, deadline=0.2)


def test_no_word_is_read_by_a_shell(client):
    engine = client('for word in "$@"; do echo "[$word]"; done')

    said = engine.try_("tag", "a; rm -rf /", "$(id)", "`id`")

    assert said.out == "[tag]\n[a; rm -rf /]\n[$(id)]\n[`id`]\n"


def test_lines_are_heard_as_they_come_and_the_last_one_is_the_cause(client):
    engine = client("echo one; echo two >&2; exit 3")
    heard = []

    said = engine.stream("build", hear=heard.append, deadline=20)

    assert heard == ["one", "two"]
    assert (said.status, said.words) == (3, "two")


def test_an_image_that_is_not_there_is_none_and_another_fault_is_said(client):
    missing = client("echo 'Error: No such image: x' >&2; exit 1")
    broken = client

    assert missing.images("x") == {}
    with pytest.raises(EngineFailed, match="image x cannot be looked at: odd"):
        broken("echo odd >&2; exit 1").images("x")
