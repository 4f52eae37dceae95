"""What the driver asks of this machine's engine: containers, by id or label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from iris.emulator.docker.pulls import ADDRESS, registry_names
from iris.emulator.machines import Vm
from iris.images.engine import Engine, Said
from iris.images.vm import (
    CHANGE_DEADLINE,
    LABEL,
    SHARED,
    VM_IMAGE,
    containers_of,
    remove_container,
)

# What an engine inside needs, and no more: SYS_RESOURCE is not to be had everywhere.
CAPABILITIES = (
    "SYS_ADMIN",
    "NET_ADMIN",
    "SYS_PTRACE",
    "SYS_NICE",
    "IPC_LOCK",
    "DAC_READ_SEARCH",
)
MOST_CONSOLE = 1_000_000  # bytes
_LINES = 20_000  # of a console, of which the last MB is shown
_SCRIPT = Path(__file__).with_name("vm.sh")
_METADATA = "metadata.google.internal:169.254.169.254"


class Place(msgspec.Struct, frozen=True):
    """Where a VM lies: its container, its network, its devices by their names."""

    container: str
    network: str
    folder: str  # of the emulator, whose label it carries
    shared: str  # a folder of this machine that every VM has at SHARED
    devices: Mapping[str, str] = {}  # device name inside -> device of this machine
    variables: Mapping[str, str] = {}


class Containers:
    """VMs as containers; absence is success where something ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, vm: Vm, place: Place) -> None:
        """Make it, unless it is there."""
        if self.pid(place.container) is None:
            about = f"VM {vm.name} cannot be made"
            self._change(*_creation(vm, place), about=about)

    def start(self, container: str) -> None:
        """Return once it runs."""
        self._change("start", container, about=f"VM {container} does not start")

    def pid(self, container: str) -> int | None:
        """Its first process; 0 where it does not run, None where there is none."""
        said = self._look("inspect", "--format", "{{.State.Pid}}", container)
        return int(said.out) if said.status == 0 else None

    def kill(self, container: str) -> None:
        """As by a power failure."""
        self._look("kill", container)

    def remove(self, container: str) -> None:
        """It goes, with what its engine kept."""
        remove_container(self._engine, container)

    def execute(self, container: str, *words: str) -> Said:
        """What a command inside says."""
        return self._look("exec", container, *words)

    def console(self, container: str) -> bytes:
        """The last MB of what it said."""
        said = self._look("logs", "--tail", str(_LINES), container)
        return said.out.encode()[-MOST_CONSOLE:]

    def of(self, folder: str) -> list[str]:
        """All of an emulator."""
        return containers_of(self._engine, folder)

    def _change(self, *words: str, about: str) -> None:
        self._engine.run(*words, about=about, deadline=CHANGE_DEADLINE)

    def _look(self, *words: str) -> Said:
        return self._engine.try_(*words)


def _creation(vm: Vm, place: Place) -> list[str]:
    words = ["create", "--init", "--name", place.container, "--hostname", vm.name]
    words += ["--label", f"{LABEL}={place.folder}", "--label", f"iris-vm={vm.id}"]
    words += ["--network", place.network, "--ip", vm.internal_ip]
    words += ["--add-host", _METADATA]
    for name in registry_names():
        words += ["--add-host", f"{name}:{ADDRESS}"]
    for each in CAPABILITIES:
        words += ["--cap-add", each]
    for each in ("seccomp", "systempaths", "apparmor"):
        words += ["--security-opt", f"{each}=unconfined"]
    words += ["--tmpfs", "/run:exec", "--tmpfs", "/tmp:exec"]
    words += ["--volume", "/var/lib/docker"]
    words += ["--volume", "/sys/fs/cgroup:/sys/fs/cgroup"]
    words += ["--volume", f"{_SCRIPT}:/usr/local/sbin/iris-vm:ro"]
    words += ["--volume", f"{place.shared}:{SHARED}"]
    for name, device in place.devices.items():
        words += ["--device", f"{device}:/dev/disk/by-id/google-{name}"]
    registries = " ".join(registry_names())
    variables = {
        "IRIS_VM_REGISTRIES": registries,
        **place.variables,
    }
    for key, value in variables.items():
        words += ["--env", f"{key}={value}"]
    return [*words, VM_IMAGE, "/usr/local/sbin/iris-vm"]
