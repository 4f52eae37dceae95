"""The driver `docker`: makes VMs of containers that have an engine of their own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.emulator.docker.engine import Containers
from iris.emulator.docker.machine import DockerMachine
from iris.emulator.docker.network import ContainerNetwork
from iris.emulator.docker.relay import Relays
from iris.emulator.faults import Faults
from iris.emulator.machines import Vm
from iris.images.engine import Engine
from iris.images.loops import release_loop_device
from iris.images.registry import LocalRegistry
from iris.images.vm import ensure_vm_image

SSH_PORT = 22
Mint = Callable[[str, tuple[str, ...], str], tuple[str, float]]
Say = Callable[[str], None]


class DockerDriver:
    """Every VM is a container; it outlives the emulator's process, not its end."""

    def __init__(self, folder: Path, clock: Clock, say: Say) -> None:
        self.clock = clock
        self.faults = Faults(clock)
        self.endpoints: Callable[[], Endpoints] = Endpoints
        self.mint: Mint = lambda email, scopes, project: ("", 0.0)
        self.may_pull: Callable[[str], bool] = bool
        engine = Engine()
        engine.require()
        ensure_vm_image(engine, say)
        self.containers = Containers(engine)
        self._folder = folder
        self._vms, self._disks = folder / "vms", folder / "disks"
        self.shared = folder / "shared"
        for each in (self._vms, self._disks, self.shared):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.network = ContainerNetwork(folder, engine)
        self._store = LocalRegistry(clock, folder / "registry")
        self.registry = self._store.start()
        self.relays = Relays()
        self.ssh_port = SSH_PORT
        self._lock = threading.Lock()
        self._is_closed = False
        self._machines: dict[str, DockerMachine] = {}
        self._leaving: set[DockerMachine] = set()

    @property
    def network_name(self) -> str:
        """The bridge that all VMs are on."""
        return self.network.name

    def connect(
        self,
        *,
        faults: Faults,
        endpoints: Callable[[], Endpoints],
        mint: Mint,
        may_pull: Callable[[str], bool],
    ) -> None:
        """What is known only once the emulator stands: before the first boot."""
        self.faults, self.endpoints, self.mint = faults, endpoints, mint
        self.may_pull = may_pull

    def way_to(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a VM's port is dialled from this machine, None for no VM of ours."""
        return (address, port) if self.network.has(address) else None

    def take_address(self, vm_id: str) -> tuple[str, str]:
        """An internal and an external address, the same again for the same id."""
        return self.network.take(vm_id)

    def boot(self, vm: Vm) -> None:
        """Start it, and run its startup script; nothing if it runs."""
        machine = self._machine(vm)
        if not machine.is_up:
            machine.update(vm)
        machine.boot()

    def update(self, vm: Vm) -> None:
        """Its metadata changed: whoever waits for that is answered."""
        self._machine(vm).update(vm)

    def stop(self, vm_id: str, *, notice: float = 0.0, preempted: bool = False) -> None:
        """Power it off after `notice` seconds; everything in it ends. Disks stay."""
        if machine := self._find(vm_id):
            machine.stop(notice, preempted)

    def reset(self, vm_id: str) -> None:
        """Cut it and boot it again at the same address."""
        if machine := self._find(vm_id):
            machine.reset()

    def maintain(self, vm_id: str, event: str) -> None:
        """Show `event` as instance/maintenance-event."""
        if machine := self._find(vm_id):
            machine.guest.maintain(event)

    def kill_processes(self, vm_id: str) -> None:
        """All in it dies, the VM counts as running."""
        if machine := self._find(vm_id):
            machine.kill_processes()

    def cut_ssh(self, vm_id: str = "") -> int:
        """Cut every SSH connection to it, to all where none is named; how many."""
        with self._lock:
            all_ = dict(self._machines)
        named = {k: m for k, m in all_.items() if vm_id in ("", k)}
        return sum(machine.cut_ssh() for machine in named.values())

    def delete(self, vm_id: str) -> None:
        """End it and forget it, its folder and its address; absence is success."""
        with self._lock:
            machine = self._machines.pop(vm_id, None)
            if machine is not None:
                self._leaving.add(machine)
        if machine is not None:
            machine.delete(lambda: self._has_left(machine))
        else:
            self.network.release(vm_id)

    def delete_disk(self, disk_id: str) -> None:
        """The content of a disk goes; absence is success."""
        file = self._disks / disk_id
        with suppress(OSError):
            release_loop_device(file)
        file.unlink(missing_ok=True)

    def serial(self, vm_id: str) -> bytes:
        """Its console so far (the last MB), empty where there is none."""
        machine = self._find(vm_id)
        return machine.serial() if machine else b""

    def guest_attributes(self, vm_id: str) -> dict[str, dict[str, str]]:
        """What the guest wrote, by namespace and key."""
        machine = self._find(vm_id)
        return machine.guest.written() if machine else {}

    def running(self) -> frozenset[str]:
        """Ids of VMs that are up."""
        with self._lock:
            return frozenset(i for i, each in self._machines.items() if each.is_up)

    def restore(self, vms: tuple[Vm, ...]) -> None:
        """After a restart of the emulator: take up those that live, boot the others."""
        for vm in vms:
            self._machine(vm).take_up()

    def close(self, *, end_all: bool) -> None:
        """Stop serving, once; with `end_all` every VM ends and its folder goes."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            machines = [*self._machines.values(), *self._leaving]
            ids = list(self._machines)
        for vm_id in ids if end_all else ():
            self.delete(vm_id)
        for machine in machines:
            machine.close()
        self.relays.stop()
        if end_all:
            self._end_strays()
        self.network.close(for_good=end_all)
        self._store.stop()

    def _has_left(self, machine: DockerMachine) -> None:
        self.network.release(machine.vm.id)
        with self._lock:
            self._leaving.discard(machine)

    def _end_strays(self) -> None:
        """VMs of before that nobody asked us to take up, and every disk."""
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(self.containers.remove, self.containers.of(str(self._folder)))
            )
        for disk in self._disks.iterdir():
            self.delete_disk(disk.name)
        for each in (self._vms, self._disks):
            shutil.rmtree(each, ignore_errors=True)

    def _machine(self, vm: Vm) -> DockerMachine:
        with self._lock:
            machine = self._machines.get(vm.id)
            if machine is None:
                machine = DockerMachine(vm, self._vms / vm.id, self._disks, self)
                self._machines[vm.id] = machine
            return machine

    def _find(self, vm_id: str) -> DockerMachine | None:
        with self._lock:
            return self._machines.get(vm_id)
