"""The driver `docker`: makes VMs of containers that have an engine of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from iris.clock import Clock
from iris.emulator.docker.engine import Containers
from iris.emulator.docker.machine import DockerMachine
from iris.emulator.docker.network import ContainerNetwork
from iris.emulator.docker.relay import Relays
from iris.emulator.fleet import Fleet
from iris.emulator.machines import Vm
from iris.images.engine import Engine
from iris.images.loops import release_loop_device
from iris.images.registry import LocalRegistry
from iris.images.vm import SHARED_NAME, ensure_vm_image

Say = Callable[[str], None]


class DockerDriver(Fleet[DockerMachine]):
    """Every VM is a container; it outlives the emulator's process, not its end."""

    ssh_port = 22

    def __init__(self, folder: Path, clock: Clock, say: Say) -> None:
        engine = Engine()
        engine.require()
        ensure_vm_image(engine, say)
        super().__init__(folder, clock)
        self.containers = Containers(engine)
        self.shared = folder / SHARED_NAME
        self.shared.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self.network = ContainerNetwork(folder, engine)
        self._store = LocalRegistry(clock, folder / "registry")
        self.registry = self._store.start()
        self.relays = Relays()

    @property
    def network_name(self) -> str:
        """The bridge that all VMs are on."""
        return self.network.name

    def container_of(self, vm_id: str) -> str:
        """The name of a VM's container: other emulators have the same numbers."""
        return f"{self.network_name}-{vm_id}"

    def take_address(self, vm_id: str) -> tuple[str, str]:
        """An internal and an external address, the same again for the same id."""
        return self.network.take(vm_id)

    def renew_address(self, vm_id: str) -> str:
        """Another external address, as a VM has after it was off."""
        return self.network.renew(vm_id)

    def way_to(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a VM's port is dialled from this machine, None for no VM of ours."""
        return (address, port) if self.network.has(address) else None

    def cut_ssh(self, vm_id: str = "") -> int:
        """Cut every SSH connection to it, to all where none is named; how many."""
        with self._lock:
            all_ = dict(self._machines)
        named = {k: m for k, m in all_.items() if vm_id in ("", k)}
        return sum(machine.cut_ssh() for machine in named.values())

    def delete_disk(self, disk_id: str) -> None:
        """The content of a disk goes; absence is success."""
        file = self._disks / disk_id
        with suppress(OSError):
            release_loop_device(file)
        file.unlink(missing_ok=True)

    def serial(self, vm_id: str) -> bytes:
        """Its console so far (the last MB), empty where there is none."""
        return self.containers.console(self.container_of(vm_id))

    def _make(self, vm: Vm, folder: Path) -> DockerMachine:
        return DockerMachine(vm, folder, self._disks, self)

    def _end_unknown(self, vm_id: str) -> None:
        self.containers.kill(self.container_of(vm_id))

    def _release(self, vm_id: str) -> None:
        self.containers.remove(self.container_of(vm_id))
        self.network.release(vm_id)

    def _end_all(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            strays = self.containers.of(str(self._folder))
            list(pool.map(self.containers.remove, strays))
        for disk in self._disks.iterdir():
            self.delete_disk(disk.name)
        for each in (self._vms, self._disks):
            shutil.rmtree(each, ignore_errors=True)

    def _stop_serving(self, *, for_good: bool) -> None:
        self.relays.stop()
        self.network.close(for_good=for_good)
        self._store.stop()
