"""One VM: a container, and what listens for it in its own network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from iris.domain.endpoints import Endpoints
from iris.emulator import machine
from iris.emulator.docker.engine import Containers, Place
from iris.emulator.docker.inside import listen_inside
from iris.emulator.docker.pulls import ADDRESS as REGISTRY_ADDRESS
from iris.emulator.docker.pulls import PORT as REGISTRY_PORT
from iris.emulator.docker.pulls import Pulls
from iris.emulator.docker.relay import Relays
from iris.emulator.machines import Vm
from iris.emulator.process.metadata import MetadataServer
from iris.images.loops import loop_device

METADATA = ("169.254.169.254", 80)
DISK_BYTES = 10 * 1024**3  # of a persistent disk; sparse


class Around(machine.Around, Protocol):
    """What all VMs of an emulator share."""

    containers: Containers
    relays: Relays
    registry: str
    shared: Path
    endpoints: Callable[[], Endpoints]
    may_pull: Callable[[str], bool]

    def container_of(self, vm_id: str) -> str: ...

    @property
    def network_name(self) -> str: ...


class DockerMachine(machine.Machine):
    """Its container is its boot disk; its network is where it is served."""

    def __init__(self, vm: Vm, folder: Path, disks: Path, around: Around) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(vm, folder, around)
        self._disks = disks
        self._around = around
        self._container = around.container_of(vm.id)
        self._pulls: Pulls | None = None

    def serial(self) -> bytes:
        """Its console."""
        return self._around.containers.console(self._container)

    def cut_ssh(self) -> int:
        """Cut every SSH connection to it; how many."""
        words = ("pkill", "--count", "--signal", "KILL", "--full", "^sshd: .*[@]")
        said = self._around.containers.execute(self._container, *words)
        return int(said.out.strip() or 0)

    def _lives(self) -> bool:
        return bool(self._around.containers.pid(self._container))

    def _start(self) -> None:
        self._around.containers.create(self.vm, self._place())
        self._around.containers.start(self._container)
        self._serve()

    def _serve(self) -> None:
        self.guest.boot()
        api = int(self._around.endpoints().compute_url.rpartition(":")[2])
        self._around.relays.open(self.vm.id, self._listen("127.0.0.1", api), api)
        door = self._listen(REGISTRY_ADDRESS, REGISTRY_PORT)
        may_pull, denied = self._around.may_pull, self.guest.pulled
        self._pulls = Pulls(door, self._around.registry, may_pull, denied)
        self._serve_metadata_in_time()

    def _open_metadata(self) -> MetadataServer:
        return MetadataServer(METADATA[0], self.guest, self._listen(*METADATA))

    def _say_goodbye(self) -> None:
        text = self.vm.attributes.get("shutdown-script", "")
        if text:
            words = ("sh", "-c", f"exec >/proc/1/fd/1 2>&1; {text}")
            self._around.containers.execute(self._container, *words)

    def _cut(self) -> None:
        self._around.containers.kill(self._container)

    def _stop_others(self) -> None:
        self._around.relays.close(self.vm.id)
        if self._pulls is not None:
            self._pulls.close()
            self._pulls = None

    def _remove(self) -> None:
        self._around.containers.remove(self._container)

    def _listen(self, address: str, port: int) -> socket.socket:
        pid = self._around.containers.pid(self._container) or 0
        return listen_inside(pid, address, port)

    def _place(self) -> Place:
        devices = {
            disk.device_name: loop_device(self._disks / disk.id, DISK_BYTES)
            for disk in self.vm.disks
            if not disk.is_boot
        }
        named = {k: v for k, v in self._around.endpoints().variables().items() if v}
        return Place(
            container=self._container,
            network=self._around.network_name,
            folder=str(self.folder.parent.parent),
            shared=str(self._around.shared),
            devices=devices,
            variables=named,
        )
