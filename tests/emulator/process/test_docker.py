from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from iris.domain.endpoints import Endpoints
from iris.emulator.faults import Fault, FaultKind, Faults
from iris.emulator.machines import Vm
from iris.emulator.process.booting import environment_of
from iris.emulator.process.driver import ProcessDriver
from tests.support.eventually import eventually
from tests.support.machine import processes_in

Boot = Callable[..., Vm]
IMAGE = "europe-docker.pkg.dev/a-project/iris/iris-worker:1"
WITHIN = 30.0  # seconds for one command


class Engine:
    """`docker` as a program of the VM says it."""

    def __init__(self, vm: Vm, folder: Path) -> None:
        self.root = folder / "root"
        self._around = environment_of(vm, folder, Endpoints())

    def __call__(self, *words: str, sent: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *words],
            env=self._around,
            input=sent,
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Type a command and let it run."""
        return subprocess.Popen(
            ["docker", *words], env=self._around, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: str, name: str = "c") -> None:
        said = self("run", "-d", "--name", name, *words)
        assert said.returncode == 0, said.stderr

    def shown(self, name: str = "c") -> dict[str, object]:
        shown: list[dict[str, object]] = json.loads(self("inspect", name).stdout)
        return shown[0]

    def restarts(self, name: str = "c") -> int:
        return int(str(self.shown(name)["RestartCount"]))

    def is_running(self, name: str = "c") -> bool:
        wanted = "{{.State.Running}}"
        return self("inspect", "-f", wanted, name).stdout.strip() == "true"


@pytest.fixture
def docker(boot: Boot, driver: ProcessDriver, tmp_path: Path) -> Engine:
    vm = boot("#!/bin/bash\necho up")
    eventually(lambda: b"Finished" in driver.serial(vm.id))
    return Engine(vm, tmp_path / "emulator" / "vms" / vm.id)


def test_a_container_has_a_root_and_an_environment_of_its_own(docker: Engine) -> None:
    source = docker.root / "var" / "lib" / "iris"
    source.mkdir(parents=True)
    (source / "there").write_text("mounted")
    script = "env | cut -d= -f1 | sort | tr '\\n' ' '; cat $IRIS_ROOT/state/there"

    docker.run(
        *("--network=host", "--privileged", "--init", "--pid", "host"),
        *("--ulimit", "memlock=-1", "--shm-size=16g", "--device", "/dev/null"),
        *("--stop-timeout", "25"),
        *("-v", f"{source}:/state:ro", "-e", "WORD=a b", IMAGE, "sh", "-c", script),
    )

    eventually(lambda: not docker.is_running())
    said = docker("logs", "c").stdout
    assert said.endswith("mounted")
    named = set(said.split()[:-1]) - {"PWD", "SHLVL", "_", "LD_LIBRARY_PATH"}
    assert named == {"HOME", "IRIS_EMULATED_VM", "IRIS_ROOT", "LANG", "PATH", "WORD"}


def test_its_images_run_this_installation(docker: Engine) -> None:
    docker.run(IMAGE, "python", "-c", "import iris; print('iris', iris.__version__)")

    eventually(lambda: "iris " in docker("logs", "--tail", "1", "c").stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "-d", "--gpus", "all", IMAGE),
        ("run", "-d", "--env-file", "/etc/x", IMAGE),
        ("rm", "--volumes", "c"),
        ("ps", "--no-trunc"),
        ("compose", "up"),
    ],
)
def test_an_unknown_word_is_named_with_exit_status_64(
    docker: Engine, words: tuple[str, ...]
) -> None:
    said = docker(*words)

    assert said.returncode == 64
    assert any(word in said.stderr for word in words[:3])


def test_a_container_that_ends_is_started_again_as_its_policy_says(
    docker: Engine,
) -> None:
    fails = (IMAGE, "sh", "-c", "exit 3")
    docker.run("--restart=always", *fails, name="always")
    docker.run("--restart=on-failure:1", *fails, name="once")
    docker.run("--restart=no", *fails, name="never")

    eventually(lambda: docker.restarts("always") >= 2)
    eventually(lambda: not docker.is_running("once"))
    assert (docker.restarts("once"), docker.restarts("never")) == (1, 0)
    assert docker("inspect", "-f", "{{.State.ExitCode}}", "never").stdout == "3\n"
    assert docker("rm", "--force", "always").returncode == 0
    assert docker("inspect", "always").returncode == 1


def test_stopping_ends_the_whole_tree_and_nothing_starts_again(
    docker: Engine, tmp_path: Path
) -> None:
    script = "setsid sleep 7777 & (setsid sleep 7778 &) & exec sleep 7779"
    docker.run("--restart=always", IMAGE, "sh", "-c", script)
    eventually(lambda: len(processes_in(tmp_path)) == 4)

    assert docker("stop", "-t", "5", "c").returncode == 0

    assert processes_in(tmp_path) == []
    assert docker("ps", "-q").stdout == ""
    assert "Exited" in docker("ps", "-a").stdout


def test_containers_come_back_with_the_vm_where_they_should(
    docker: Engine, driver: ProcessDriver
) -> None:
    for policy in ("always", "unless-stopped", "no"):
        docker.run(f"--restart={policy}", IMAGE, "sleep", "7777", name=policy)
    before = docker.shown("always")["State"]

    driver.reset("1")

    eventually(lambda: driver.serial("1").count(b"Finished") == 2)
    eventually(lambda: docker.is_running("always"))
    assert docker.shown("always")["State"] != before
    assert docker.is_running("unless-stopped")
    assert not docker.is_running("no")


def test_labels_find_a_container_and_its_name_is_taken(docker: Engine) -> None:
    sleeps = (IMAGE, "sleep", "7777")
    docker.run("--label", "iris.task=t-1", *sleeps, name="first")
    docker.run("--label", "iris.task=t-2", *sleeps, name="second")

    found = docker("ps", "--filter", "label=iris.task=t-2").stdout

    assert "second" in found
    assert "first" not in found
    again = docker("run", "-d", "--name", "first", *sleeps)
    assert again.returncode == 125
    assert "already in use" in again.stderr


def test_a_pull_contacts_nothing_and_may_be_denied(
    docker: Engine, faults: Faults
) -> None:
    login = ("login", "-u", "oauth2accesstoken", "--password-stdin", "x.pkg.dev")
    faults.inject(Fault(FaultKind.PULL_DENIED))
    faults.inject(Fault(FaultKind.PULL_FAILS))

    denied, fails, pulled = (docker("pull", IMAGE) for _ in range(3))

    assert docker(*login, sent="a token").returncode == 0
    assert docker(*login).returncode == 1
    assert (denied.returncode, fails.returncode, pulled.returncode) == (1, 1, 0)
    assert "denied" in denied.stderr
    assert "503" in fails.stderr
    assert docker("pull", "library/nginx").returncode == 1


def test_a_volume_outlives_its_container(docker: Engine) -> None:
    kept = docker.root / "cache"
    docker.run("-v", f"{kept}:/c", IMAGE, "sh", "-c", "echo kept >$IRIS_ROOT/c/file")
    eventually(lambda: not docker.is_running())

    docker("rm", "c")

    assert (kept / "file").read_text() == "kept\n"
    assert os.listdir(docker.root.parent / "containers") == []


def test_what_is_mounted_later_is_seen_after_the_next_start_of_a_container(
    docker: Engine,
) -> None:
    folder = docker.root / "mnt/state"
    folder.mkdir(parents=True)
    words = ("sh", "-c", "ls $IRIS_ROOT/state; echo looked; exec sleep 7777")
    docker.run("-v", f"{folder}:/state", IMAGE, *words)
    eventually(lambda: docker("logs", "c").stdout == "looked\n")

    disk = docker.root / "disk"
    disk.mkdir()
    (disk / "on-the-disk").touch()
    folder.rename(f"{folder}.below")
    folder.symlink_to(disk)  # as the stand-in of mount does
    docker("stop", "-t", "0", "c")
    docker("start", "c")

    both = "looked\non-the-disk\nlooked\n"
    eventually(lambda: docker("logs", "c").stdout == both)


def test_a_container_whose_mount_is_gone_after_a_reboot_is_not_started(
    docker: Engine, driver: ProcessDriver
) -> None:
    folder = docker.root / "run/iris"
    words = (
        "--restart",
        "always",
        "--mount",
        f"type=bind,source={folder},target=/run/i",
    )
    before = docker("run", "-d", *words, IMAGE, "sleep", "7777")
    folder.mkdir(parents=True)
    docker.run(*words, IMAGE, "sleep", "7777")
    assert docker.is_running()

    driver.reset("1")
    eventually(lambda: not folder.exists())
    eventually(lambda: driver.serial("1").count(b"Finished") == 2)

    assert "bind source path does not exist" in before.stderr
    assert not docker.is_running()
    assert docker("start", "c").returncode == 125


def test_an_image_is_there_once_it_was_pulled(docker: Engine) -> None:
    assert docker("image", "inspect", IMAGE).returncode == 1

    docker("pull", IMAGE)

    assert docker("image", "inspect", IMAGE).returncode == 0
    assert docker("image", "ls").returncode == 64
    assert docker("version", "--format", "{{.Server.Version}}").returncode == 0


def test_a_command_in_a_container_has_its_environment_and_ends_with_it(
    docker: Engine,
) -> None:
    docker.run("-e", "WORD=a b", IMAGE, "sleep", "7777")
    said = 'cat; echo "$WORD" >&2; exit 3'

    inside = docker("exec", "-i", "c", "sh", "-c", said, sent="typed")
    unheard = docker("exec", "c", "cat", sent="typed")
    wrong = [
        docker("exec", *words).returncode
        for words in (("-it", "c", "sh"), ("c",), ("no", "true"), ("c", "no-program"))
    ]
    begun = docker.start("exec", "c", "sh", "-c", "echo up; exec sleep 7777")
    assert begun.stdout.readline() == "up\n"
    docker("rm", "-f", "c")

    assert (inside.returncode, inside.stdout, inside.stderr) == (3, "typed", "a b\n")
    assert unheard.stdout == ""
    assert wrong == [64, 64, 1, 127]
    assert begun.wait(WITHIN) == 128 + 9
    begun.stdout.close()
