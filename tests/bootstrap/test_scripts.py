"""What both boot scripts do in the same way, and what people may read of a machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from iris.paths import bootstrap_folder
from tests.support.script_machine import (
    BOOT_SECRET,
    REGISTRY_SECRET,
    SECRET,
    Machine,
    controller,
    worker,
)

KINDS = {"controller.sh": controller, "worker.sh": worker}
LAST = {"controller.sh": "controller healthy", "worker.sh": "container started"}
Kind = Callable[[Machine], Machine]


@pytest.fixture(params=KINDS)
def script(request: pytest.FixtureRequest, machine: Machine) -> str:
    KINDS[request.param](machine)
    return str(request.param)


# Docker


def test_a_docker_that_comes_up_late_is_waited_for(machine: Machine, script: str):
    (machine.root / "down").touch()
    machine.add_program(
        "docker.version", '[ ! -e "$IRIS_ROOT/down" ] || { echo no engine; exit 1; }'
    )

    said = machine.run(script, ON_SLEEP='rm -f "$IRIS_ROOT/down"')

    assert LAST[script] in said
    assert machine.ran("docker pull") == 1


def test_a_docker_that_never_answers_ends_the_boot(machine: Machine, script: str):
    said = machine.run(script, FAILING="docker version")

    assert "failed because docker does not answer: docker version: no" in said


def test_an_engine_is_told_to_leave_what_runs_when_it_restarts(
    machine: Machine, script: str
):
    pid_file = machine.root / "var/run/docker.pid"
    pid_file.parent.mkdir(parents=True)
    # it hears SIGHUP even where these tests run under nohup
    words = ["env", "--default-signal=HUP", "sleep", "1000"]
    with subprocess.Popen(words) as engine:
        pid_file.write_text(f"{engine.pid}\n")
        said = machine.run(script)
        status = engine.wait(10)

    assert LAST[script] in said
    assert machine.read("etc/docker/daemon.json") == b'{"live-restore": true}\n'
    assert status == -signal.SIGHUP


def test_an_engine_that_somebody_has_set_is_left_alone(machine: Machine, script: str):
    settings = machine.root / "etc/docker/daemon.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"debug": true}')

    said = machine.run(script)

    assert LAST[script] in said
    assert settings.read_text() == '{"debug": true}'


PROGRAMS = (
    *("bash", "base64", "cat", "date", "env", "find", "grep", "gunzip", "gzip", "head"),
    *(
        "mkdir",
        "mktemp",
        "mv",
        "rm",
        "sed",
        "seq",
        "tail",
        "touch",
        "tr",
        "chmod",
        "cp",
    ),
)


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH on which there is no docker, nor anything else that is not needed."""
    folder = tmp_path / "usr-bin"
    folder.mkdir()
    for name in PROGRAMS:
        found = next(
            Path(each) / name
            for each in os.environ["PATH"].split(":")
            if (Path(each) / name).exists()
        )
        (folder / name).symlink_to(found)
    return str(folder)


def test_docker_is_installed_where_it_is_missing(
    machine: Machine, script: str, bare_path: str
):
    (machine.bin / "docker").rename(machine.root / "docker.deb")
    machine.add_program("dpkg", "true")
    machine.add_program(
        "apt-get",
        'case "$*" in *install*) cd "$IRIS_ROOT" && cp docker.deb bin/docker ;; esac',
    )

    said = machine.run(script, path=bare_path)

    assert LAST[script] in said
    assert (machine.ran("apt-get"), machine.ran("dpkg")) == (2, 1)


def test_a_docker_that_cannot_be_installed_ends_the_boot(
    machine: Machine, script: str, bare_path: str
):
    (machine.bin / "docker").unlink()
    machine.add_program("dpkg", "true")
    machine.add_program("apt-get", "true")

    said = machine.run(script, path=bare_path, FAILING="apt-get")

    assert "failed because docker cannot be installed: apt-get: no" in said


# The image


def test_an_image_that_cannot_be_pulled_ends_the_boot_with_its_reason(
    machine: Machine, script: str
):
    said = machine.run(script, FAILING="docker pull")

    image = machine.attributes["iris-image"]
    assert f"failed because image {image} cannot be pulled: docker pull: no" in said
    assert said.count("image pull failed") == machine.ran("docker pull") == 6


def test_a_registry_that_refuses_the_login_is_asked_again(
    machine: Machine, script: str
):
    said = machine.run(script, FAILING="docker login")

    assert "cannot be pulled: docker login: no" in said
    assert (machine.ran("docker login"), machine.ran("docker pull")) == (6, 0)


def test_a_machine_without_an_account_says_that_it_cannot_log_in(
    machine: Machine, script: str
):
    machine.has_account = False

    said = machine.run(script)

    assert "cannot be pulled: this VM has no service account to log in" in said
    assert machine.ran("docker login") == 0


def test_a_pull_that_hangs_has_an_end(machine: Machine, script: str):
    said = machine.run(script, HANGING="docker pull")

    assert "cannot be pulled: no end within 400 s" in said


def test_after_a_reboot_a_registry_that_is_away_does_no_harm(
    machine: Machine, script: str
):
    (machine.root / "image-is-here").touch()

    said = machine.run(script, FAILING="docker pull")

    assert LAST[script] in said
    assert machine.ran("docker pull") == 1


def test_docker_cannot_start_it_by_itself_after_a_reboot(machine: Machine, script: str):
    machine.run(script)

    (run,) = [line for line in machine.said() if line.startswith("docker run")]
    folder = machine.root / "run/iris"  # which a reboot empties
    assert f"'type=bind,source={folder},target=/run/iris,readonly'" in run
    assert folder.is_dir()


# Secrets


def test_no_secret_is_left_where_others_may_read_it(machine: Machine, script: str):
    said = machine.run(script)

    assert machine.ran("docker login") == 1
    for secret in (SECRET, BOOT_SECRET, REGISTRY_SECRET):
        assert secret not in said
        assert secret not in "\n".join(machine.said())  # every list of arguments
        written = [p for p in machine.root.rglob("*") if p.is_file()]
        assert [p for p in written if secret.encode() in p.read_bytes()] == []
    assert list((machine.root / "tmp").iterdir()) == []


def test_show_prints_a_file_of_the_controllers_machine_and_no_other(machine: Machine):
    machine.state.mkdir(parents=True)
    (machine.state / "operator.token").write_text("a-token\n")
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
    common = [
        text[text.index("# -- what both") : text.index("'s own ---")].rsplit("\n", 1)[0]
        for text in ((bootstrap_folder() / name).read_text() for name in KINDS)
    ]

    assert common[0] == common[1]
