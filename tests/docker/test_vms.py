"""VMs that are containers, each with SSH, an engine and metadata of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iris.clock import RealClock
from iris.domain.endpoints import Endpoints
from iris.emulator.docker.driver import DockerDriver
from iris.emulator.faults import Fault, FaultKind, Faults
from iris.emulator.machines import Disk, Vm
from iris.images.engine import Engine
from iris.images.vm import LABEL
from tests.support.eventually import eventually

pytestmark = pytest.mark.docker
BOOT = 60.0  # seconds
TOKEN = "ya29.of-the-vm"
SAY_WHO = """#!/bin/bash
echo "HOME=${HOME:-none} as $(id -un) in $(hostname), compute at $IRIS_COMPUTE_URL"
"""


class Cloud:
    """A driver, and what an emulator would say to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults = Faults(RealClock())
        self.open()

    def open(self) -> None:
        self.driver = DockerDriver(self.folder, RealClock(), lambda line: None)
        url = "http://127.0.0.1:49001"
        self.driver.connect(
            faults=self.faults,
            endpoints=lambda: Endpoints(url, url, url),
            mint=lambda email, scopes, project: (TOKEN, 3599.0),
            may_pull=TOKEN.__eq__,
        )

    def vm(self, number: int = 1, **words: Any) -> Vm:
        internal, external = self.driver.take_address(str(number))
        ordinary: dict[str, Any] = {
            "id": str(number),
            "name": f"vm-{number}",
            "project": "a-project",
            "project_number": 42,
            "zone": "europe-west4-b",
            "machine_type": "n2-standard-4",
            "internal_ip": internal,
            "external_ip": external,
            "service_account": "a@b",
            "scopes": ("all",),
        }
        return Vm(**(ordinary | words))

    def boot(self, vm: Vm) -> Vm:
        self.driver.boot(vm)
        eventually(lambda: "Finished running" in self.console(vm), within=BOOT)
        return vm

    def console(self, vm: Vm) -> str:
        return self.driver.serial(vm.id).decode()

    def name(self, vm: Vm) -> str:
        return f"{self.driver.network_name}-{vm.id}"

    def inside(self, vm: Vm, *words: str) -> str:
        said = self.driver.containers.execute(self.name(vm), *words)
        return said.out + said.err


@pytest.fixture
def cloud(engine: Engine, tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path / "emulator")
    yield made
    made.driver.close(end_all=True)
    name = made.driver.network_name
    assert (
        engine.run("ps", "-aq", "--filter", f"label={LABEL}={made.folder}", about="")
        == ""
    )
    assert name not in engine.run("network", "ls", "--format", "{{.Name}}", about="")
    loops = subprocess.run(
        ["losetup", "-a"], capture_output=True, text=True, check=True
    )
    assert str(tmp_path) not in loops.stdout


def test_a_vm_runs_its_startup_script_at_every_boot(cloud: Cloud) -> None:
    vm = cloud.boot(cloud.vm(attributes={"startup-script": SAY_WHO}))

    first = cloud.console(vm)
    cloud.driver.reset(vm.id)
    eventually(lambda: cloud.console(vm).count("exit status 0") == 2, within=BOOT)

    words = (
        "startup-script: HOME=none as root in vm-1, compute at http://127.0.0.1:49001"
    )
    assert words in first
    assert cloud.console(vm).count(words) == 2
    assert cloud.driver.running() == {vm.id}


def test_vms_of_two_emulators_never_meet(cloud: Cloud, tmp_path: Path) -> None:
    other = Cloud(tmp_path / "other")
    try:
        ours = cloud.boot(cloud.vm(attributes={"startup-script": SAY_WHO}))
        theirs = other.boot(
            other.vm(attributes={"startup-script": "#!/bin/sh\nexit 3"})
        )

        assert ours.id == theirs.id
        assert "exit status 0" in cloud.console(ours)
        assert "exit status 3" in other.console(theirs)
    finally:
        other.driver.close(end_all=True)


def test_a_persistent_disk_outlives_its_vm(cloud: Cloud) -> None:
    disks = (Disk("boot-1", "boot", is_boot=True), Disk("d-1", "state"))
    script = (
        "#!/bin/bash\nd=/dev/disk/by-id/google-state; mkdir -p /mnt/s\n"
        "blkid $d || mkfs.ext4 -q $d; mount $d /mnt/s; cat /mnt/s/word\n"
        "echo kept >/mnt/s/word\n"
    )
    first = cloud.boot(cloud.vm(1, disks=disks, attributes={"startup-script": script}))
    cloud.driver.delete(first.id)
    eventually(lambda: cloud.inside(first, "true") != "")

    second = cloud.boot(cloud.vm(2, disks=disks, attributes={"startup-script": script}))

    assert "startup-script: kept" in cloud.console(second)


def test_a_person_named_by_the_metadata_gets_in_and_becomes_root(
    cloud: Cloud, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(key)]
    subprocess.run(words, check=True)
    line = f"ada:{key.with_suffix('.pub').read_text().strip()}"
    vm = cloud.boot(cloud.vm(attributes={"enable-guest-attributes": "TRUE"}))
    cloud.driver.update(cloud.vm(attributes={"ssh-keys": line}))
    way = cloud.driver.way_to(vm.external_ip, 22)
    assert way is not None

    ssh = ["ssh", "-i", str(key), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    ssh += [
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        f"UserKnownHostsFile={tmp_path / 'k'}",
    ]
    ssh += [f"ada@{way[0]}", "sudo", "-n", "id", "-un"]

    def root() -> bool:
        said = subprocess.run(ssh, capture_output=True, text=True, check=False)
        return said.stdout.strip() == "root"

    eventually(root, within=BOOT)
    shown = cloud.driver.guest_attributes(vm.id)["hostkeys"]["ssh-ed25519"]
    assert shown in (tmp_path / "k").read_text()
    assert cloud.driver.way_to("192.0.2.1", 22) is None


def test_a_vm_lives_through_a_restart_of_the_emulator(cloud: Cloud) -> None:
    vm = cloud.boot(cloud.vm(attributes={"startup-script": SAY_WHO}))
    cloud.driver.close(end_all=False)
    cloud.open()

    cloud.driver.restore((vm,))

    zone = "http://metadata.google.internal/computeMetadata/v1/instance/zone"
    ask = ("curl", "-s", "-H", "Metadata-Flavor: Google", zone)
    eventually(lambda: "europe-west4-b" in cloud.inside(vm, *ask), within=BOOT)
    assert cloud.console(vm).count("exit status 0") == 1


def test_what_is_pulled_needs_a_token_and_may_be_denied(cloud: Cloud) -> None:
    vm = cloud.boot(cloud.vm())
    registry = "europe-west4-docker.pkg.dev"
    image = f"{registry}/a-project/none/such:latest"
    stranger = cloud.inside(vm, "docker", "pull", image)

    login = (
        f"echo {TOKEN} | docker login -u oauth2accesstoken --password-stdin {registry}"
    )
    let_in = cloud.inside(vm, "sh", "-c", login)
    missing = cloud.inside(vm, "docker", "pull", image)
    cloud.faults.inject(Fault(FaultKind.PULL_DENIED))
    denied = cloud.inside(vm, "docker", "pull", image)

    assert "no basic auth credentials" in stranger
    assert "Login Succeeded" in let_in
    assert "not found" in missing or "unknown" in missing
    assert "denied" in denied


def test_ssh_of_a_vm_is_cut_and_counted(cloud: Cloud, tmp_path: Path) -> None:
    key = tmp_path / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(words, check=True)
    line = f"ada:{key.with_suffix('.pub').read_text().strip()}"
    vm = cloud.boot(cloud.vm(attributes={"ssh-keys": line}))
    ssh = ["ssh", "-i", str(key), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    ssh += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    words = [*ssh, f"ada@{vm.external_ip}", "echo in; exec sleep 1000"]

    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout
        assert held.stdout.readline() == "in\n"
        assert cloud.driver.cut_ssh(vm.id) > 0
        assert held.wait(BOOT) != 0

    assert cloud.driver.cut_ssh() == 0


def test_what_dies_in_a_vm_leaves_it_counted_as_running(cloud: Cloud) -> None:
    vm = cloud.boot(cloud.vm())

    cloud.driver.kill_processes(vm.id)

    eventually(lambda: cloud.driver.containers.pid(cloud.name(vm)) == 0)
    assert cloud.driver.running() == {vm.id}


def test_late_metadata_delays_what_the_script_says(cloud: Cloud) -> None:
    vm = cloud.vm(attributes={"startup-script": SAY_WHO}, metadata_delay=3600.0)
    cloud.driver.boot(vm)
    eventually(lambda: cloud.inside(vm, "pgrep", "sshd").strip().isdigit(), within=BOOT)

    asked = ("curl", "-s", "-m", "1", "http://metadata.google.internal/")
    assert cloud.inside(vm, *asked) == ""
    assert "startup-script" not in cloud.console(vm)


def test_an_engine_inside_runs_what_asks_for_more_than_a_vm_has_here(
    cloud: Cloud, engine: Engine
) -> None:
    vm = cloud.boot(cloud.vm())
    save = (
        f"docker save iris-base:bookworm | docker exec -i {cloud.name(vm)} docker load"
    )
    subprocess.run(["sh", "-c", save], check=True, capture_output=True)

    words = ("--network=host", "--privileged", "--ulimit", "memlock=-1", "--init")
    said = cloud.inside(
        vm, "docker", "run", "--rm", *words, "iris-base:bookworm", "hostname"
    )

    assert said.strip().splitlines()[-1] == "vm-1"


def test_a_preempted_vm_is_told_and_then_cut(cloud: Cloud) -> None:
    script = "#!/bin/bash\necho bye"
    vm = cloud.boot(cloud.vm(attributes={"shutdown-script": script}))

    cloud.driver.stop(vm.id, notice=0.5, preempted=True)

    eventually(lambda: "bye" in cloud.console(vm).splitlines())
    eventually(lambda: cloud.driver.containers.pid(cloud.name(vm)) == 0)
    assert cloud.driver.running() == frozenset()
