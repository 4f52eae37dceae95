"""The driver `process`: makes VMs of folders and processes of this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.emulator.faults import Faults
from iris.emulator.machines import Vm
from iris.emulator.process.inside import processes_of
from iris.emulator.process.machine import ENDING, Machine
from iris.emulator.process.network import Network
from iris.emulator.process.scripts import console_of
from iris.emulator.process.ssh import SSH_PORTS, SshSide
from iris.providers._processes import end_all

Mint = Callable[[str, tuple[str, ...], str], tuple[str, float]]


class ProcessDriver:
    """Every VM is a folder below `folder`; what runs in it outlives the emulator."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.faults = Faults(clock)
        self.endpoints: Callable[[], Endpoints] = Endpoints
        self.mint: Mint = lambda email, scopes, project: ("", 0.0)
        self._vms = folder / "vms"
        self._disks = folder / "disks"
        for each in (self._vms, self._disks):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.network = Network(folder)
        self.registry = ""  # its images are this installation
        self.ssh = SshSide()
        self._lock = threading.Lock()
        self._is_closed = False
        self._machines: dict[str, Machine] = {}
        self._leaving: set[Machine] = set()  # being deleted, on their own threads

    def connect(
        self,
        *,
        faults: Faults,
        endpoints: Callable[[], Endpoints],
        mint: Mint,
        may_pull: Callable[[str], bool],  # nothing is pulled here
    ) -> None:
        """What is known only once the emulator stands: before the first boot."""
        self.faults, self.endpoints, self.mint = faults, endpoints, mint

    @property
    def ssh_port(self) -> int:
        """Where VMs answer SSH: 22 where that may be bound."""
        return self.ssh.port

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
        machine = self._find(vm_id)
        if machine is not None:
            machine.stop(notice, preempted)
        else:
            self._end_processes(vm_id)

    def reset(self, vm_id: str) -> None:
        """Cut it and boot it again at the same address."""
        machine = self._find(vm_id)
        if machine is not None:
            machine.reset()

    def maintain(self, vm_id: str, event: str) -> None:
        """Show `event` as instance/maintenance-event."""
        machine = self._find(vm_id)
        if machine is not None:
            machine.maintain(event)

    def kill_processes(self, vm_id: str) -> None:
        """All in it dies, the VM counts as running."""
        machine = self._find(vm_id)
        if machine is not None:
            machine.kill_processes()

    def cut_ssh(self, vm_id: str = "") -> int:
        """Cut every SSH connection to it, to all where none is named; how many."""
        return self.ssh.cut(vm_id)

    def delete(self, vm_id: str) -> None:
        """End it and forget it, its folder and its address; absence is success."""
        with self._lock:
            machine = self._machines.pop(vm_id, None)
            if machine is not None:
                self._leaving.add(machine)
        if machine is None:
            self._end_processes(vm_id)
            shutil.rmtree(self._vms / vm_id, ignore_errors=True)
            self.network.release(vm_id)
        else:
            machine.delete(lambda: self._has_left(machine))

    def delete_disk(self, disk_id: str) -> None:
        """The content of a disk goes; absence is success."""
        shutil.rmtree(self._disks / disk_id, ignore_errors=True)

    def way_to(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a VM's port is dialled from this machine, None for no VM of ours."""
        if address.rpartition(".")[0] != self.network.prefix:
            return None
        return address, self.ssh.port if port == SSH_PORTS[0] else port

    def serial(self, vm_id: str) -> bytes:
        """Its console so far (the last MB), empty where there is none."""
        machine = self._find(vm_id)
        # of one that is stopped there may be no more than its folder
        return machine.serial() if machine else console_of(self._vms / vm_id)

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
        self.ssh.stop()
        self.network.close()
        if end_all:
            self._end_strays()
            shutil.rmtree(self._disks, ignore_errors=True)

    def _has_left(self, machine: Machine) -> None:
        self.network.release(machine.vm.id)
        with self._lock:
            self._leaving.discard(machine)

    def _end_processes(self, vm_id: str) -> None:
        """Of one that nobody asked us to take up."""
        folder = self._vms / vm_id
        if folder.exists():
            end_all(lambda: processes_of({str(folder)}), self.clock, ENDING)

    def _end_strays(self) -> None:
        """VMs of before that nobody asked us to take up."""
        folders = {str(path) for path in self._vms.iterdir()}
        if folders:
            end_all(lambda: processes_of(folders), self.clock, ENDING)
            shutil.rmtree(self._vms, ignore_errors=True)

    def _machine(self, vm: Vm) -> Machine:
        with self._lock:
            machine = self._machines.get(vm.id)
            if machine is None:
                folder = self._vms / vm.id
                machine = Machine(vm, folder, self._disks, self)
                self._machines[vm.id] = machine
            return machine

    def _find(self, vm_id: str) -> Machine | None:
        with self._lock:
            return self._machines.get(vm_id)
