"""`build` and `push` as they are typed where they cannot succeed: one line each."""

from __future__ import annotations

import pytest


@pytest.fixture
def without_engine(terminal):
    terminal.environment["DOCKER_HOST"] = f"unix://{terminal.folder}/nothing.sock"
    return terminal


@pytest.mark.parametrize("command", ["build", "push"])
def test_without_an_engine_each_says_so_in_one_line(without_engine, command):
    said = without_engine.refused(command, "--config", "eu-west4.yaml", status=1)

    first, second = [li.removeprefix("rehearsal | ") for li in said.splitlines()]
    assert first.startswith("iris: ")
    assert "docker client" in first or "engine does not answer" in first
    assert second.startswith("hint: ")


@pytest.mark.parametrize("command", ["build", "push"])
def test_a_file_without_images_is_refused_before_any_engine_is_asked(
    without_engine, command
):
    said = without_engine.refused(command, "--config", "local.yaml", status=2)

    assert "controller/image: no image is named" in said


def test_a_cluster_that_nobody_named_is_asked_for(without_engine):
    said = without_engine.refused("build", status=1)

    assert "no cluster was started from this machine" in said
