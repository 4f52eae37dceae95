"""The worker's image does its main job: keeper and agent start, and run an attempt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iris.domain.resources import Resources
from tests.support.containers import mounts, write_json
from tests.support.eventually import eventually
from tests.support.fake_controller import UID, FakeController

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def controller():
    made = FakeController()
    yield made
    made.close()


@pytest.fixture
def cache(tmp_path: Path, controller):
    """The folder of a slice's VM, which was told who it is."""
    (tmp_path / "vm").mkdir(mode=0o700)
    write_json(
        tmp_path / "vm/metadata.json",
        cluster="test",
        cluster_uid=UID,
        slice_name="slice",
        slice_uid="s-1",
        index=0,
        vms=1,
        address="127.0.0.1",
        resources=Resources(cpus=4),
        runtime="process",
        controller_url=controller.url,
        join_token="join-token",
    )
    return tmp_path


def run(start, image, cache):
    return start(
        image,
        *("--network=host", "--restart=always"),
        *mounts({"/var/cache/iris": cache}),
        *("--", "python", "-m", "iris.worker", "--vm", "/var/cache/iris/vm"),
    )


def test_keeper_and_agent_start_and_run_an_attempt(
    start, image_by_part, cache, controller
):
    worker = run(start, image_by_part["worker"], cache)
    eventually(lambda: controller.heartbeats, within=60)

    controller.run("a-1", "python", "-c", "import iris; print('hello')")
    ended = eventually(lambda: controller.has_ended("a-1"), within=60)

    assert ended.exit_code == 0
    assert bytes(controller.logs["a-1"]) == b"hello\n"
    check = worker.inspect()["Config"]["Healthcheck"]["Test"]
    assert worker.exec(*check[1:]) == (0, "")
    assert worker.inspect()["RestartCount"] == 0
    assert worker.stop() == 0


def test_the_keeper_is_what_the_engine_watches(start, image_by_part, cache):
    run(start, image_by_part["worker"], cache)
    kept = eventually(lambda: keeper_of(cache), within=60)

    assert kept["pid"] == 1


def keeper_of(cache):
    try:
        return json.loads((cache / "vm/keeper.json").read_text())
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
