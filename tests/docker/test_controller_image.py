"""The controller's image does its main job: it was once shipped without a program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import requests

from iris import wire
from iris.domain.machine import AddressFile
from iris.paths import examples_folder
from tests.support.containers import USER, mounts, write_json
from tests.support.eventually import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

CLOUD = (examples_folder() / "eu-west4.yaml").read_text()
NOWHERE = "http://127.0.0.1:9"  # no cloud answers; the controller does all the same


@pytest.fixture
def machine(tmp_path: Path):
    """The folders of a controller's VM, given to the user of the image."""
    for name in ("machine", "state", "cache"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "config.yaml").write_text(CLOUD.replace("port: 10000", "port: 0"))
    (tmp_path / "config.yaml").chmod(0o600)
    write_json(tmp_path / "machine/machine.json", cluster_uid="c1")
    tmp_path.chmod(0o755)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, USER, USER)
    return tmp_path


def run(start, image, machine):
    return start(
        image,
        *("--network=host", "--restart=always", "--init"),
        *mounts(
            {
                "/etc/iris/config.yaml": machine / "config.yaml",
                "/var/lib/iris/machine": machine / "machine",
                "/var/lib/iris/state": machine / "state",
                "/var/cache/iris": machine / "cache",
            }
        ),
        *("-e", f"IRIS_COMPUTE_URL={NOWHERE}", "-e", f"IRIS_TPU_URL={NOWHERE}"),
        *("-e", f"IRIS_RESOURCE_MANAGER_URL={NOWHERE}"),
        *("--", "python", "-m", "iris.controller"),
        *("--machine", "/var/lib/iris/machine", "--config", "/etc/iris/config.yaml"),
        *("--state", "/var/lib/iris/state", "--listen", "127.0.0.1"),
        *("--log", "/var/lib/iris/machine/controller.log"),
    )


def health(machine):
    address = wire.decode((machine / "machine/address.json").read_bytes(), AddressFile)
    return requests.get(f"{address.url}/health", timeout=10).json()


def healthy(machine):
    try:
        return health(machine)
    except (OSError, requests.RequestException):
        return None


def test_it_serves_and_does_not_restart(start, image_by_part, machine):
    controller = run(start, image_by_part["controller"], machine)

    found = eventually(lambda: healthy(machine), within=60)

    assert (found["cluster"], found["cluster_uid"]) == ("iris-eu", "c1")
    check = controller.inspect()["Config"]["Healthcheck"]["Test"]
    assert controller.exec(*check[1:]) == (0, "")
    assert controller.inspect()["RestartCount"] == 0
    assert (machine / "state/iris.db").stat().st_uid == USER
    assert controller.stop() == 0


def test_what_does_not_answer_is_not_healthy(start, image_by_part):
    idle = start(image_by_part["controller"], "--", "sleep", "600")

    check = idle.inspect()["Config"]["Healthcheck"]["Test"]
    status, words = idle.exec(*check[1:])

    assert status == 1
    assert words.startswith("not healthy: ")


def test_a_wrong_cluster_file_restarts_in_a_loop_with_its_reason_in_the_log(
    start, image_by_part, machine
):
    (machine / "config.yaml").write_text("name: 7\n")

    controller = run(start, image_by_part["controller"], machine)

    eventually(lambda: controller.inspect()["RestartCount"] >= 2, within=60)
    log = (machine / "machine/controller.log").read_text()
    assert "controller ended code=bad-cluster-file" in log


def test_its_user_is_nobody_and_it_has_no_compiler(start, image_by_part):
    idle = start(image_by_part["controller"], "--", "sleep", "600")

    assert idle.exec("id", "-u") == (0, f"{USER}\n")
    assert idle.exec("touch", "/opt/iris/x")[0] != 0
    for program in ("gcc", "cc", "g++", "pip", "gcloud"):
        assert idle.exec("sh", "-c", f"command -v {program}")[0] != 0
