"""The worker's image does its main job: keeper and agent start, and run an attempt."""

from __future__ import annotations

import json

import pytest

from tests.support.eventually import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def test_keeper_and_agent_start_and_run_an_attempt(run_worker, controller):
    worker = run_worker("--restart=always")
    eventually(lambda: controller.heartbeats, within=60)

    controller.run("a-1", "python", "-c", "import iris; print('hello')")
    ended = eventually(lambda: controller.has_ended("a-1"), within=60)

    assert ended.exit_code == 0
    assert bytes(controller.logs["a-1"]) == b"hello\n"
    check = worker.inspect()["Config"]["Healthcheck"]["Test"]
    assert worker.exec(*check[1:]) == (0, "")
    assert worker.inspect()["RestartCount"] == 0
    assert worker.stop() == 0


def test_the_keeper_is_what_the_engine_watches(run_worker, tmp_path):
    run_worker("--restart=always")
    kept = eventually(lambda: keeper_of(tmp_path), within=60)

    assert kept["pid"] == 1


def keeper_of(folder):
    try:
        return json.loads((folder / "vm/keeper.json").read_text())
    except OSError:
        return None


def test_without_a_keeper_it_is_not_healthy(start, image_by_part):
    idle = start(image_by_part["worker"], "--", "sleep", "600")

    check = idle.inspect()["Config"]["Healthcheck"]["Test"]
    status, words = idle.exec(*check[1:])

    assert status == 1
    assert words.startswith("not healthy: ")


def test_it_has_what_jobs_use_and_no_compiler(start, image_by_part):
    idle = start(image_by_part["worker"], "--", "sleep", "600")

    for program in ("python", "pip", "git", "curl", "ps"):
        assert idle.exec("sh", "-c", f"command -v {program}")[0] == 0, program
    for program in ("gcc", "cc", "g++"):
        assert idle.exec("sh", "-c", f"command -v {program}")[0] != 0, program
