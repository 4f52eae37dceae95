"""The driver `process`: makes VMs of folders and processes of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from iris.clock import Clock
from iris.emulator.fleet import Fleet
from iris.emulator.machines import Vm
from iris.emulator.process.inside import processes_of
from iris.emulator.process.machine import ENDING, Machine
from iris.emulator.process.network import Network
from iris.emulator.process.scripts import console_of
from iris.emulator.process.ssh import SSH_PORTS, SshSide
from iris.providers._processes import end_all


class ProcessDriver(Fleet[Machine]):
    """Every VM is a folder below `folder`; what runs in it outlives the emulator."""

    registry = ""  # its images are this installation

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, clock)
        self.network = Network(folder)
        self.ssh = SshSide()

    @property
    def ssh_port(self) -> int:
        """Where VMs answer SSH: 22 where that may be bound."""
        return self.ssh.port

    def take_address(self, vm_id: str) -> tuple[str, str]:
        """An internal and an external address, the same again for the same id."""
        return self.network.take(vm_id)

    def renew_address(self, vm_id: str) -> str:
        """Another external address, as a VM has after it was off."""
        return self.network.renew(vm_id)

    def way_to(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a VM's port is dialled from this machine, None for no VM of ours."""
        if address.rpartition(".")[0] != self.network.prefix:
            return None
        return address, self.ssh.port if port == SSH_PORTS[0] else port

    def cut_ssh(self, vm_id: str = "") -> int:
        """Cut every SSH connection to it, to all where none is named; how many."""
        return self.ssh.cut(vm_id)

    def delete_disk(self, disk_id: str) -> None:
        """The content of a disk goes; absence is success."""
        shutil.rmtree(self._disks / disk_id, ignore_errors=True)

    def serial(self, vm_id: str) -> bytes:
        """Its console so far (the last MB), empty where there is none."""
        machine = self._find(vm_id)
        # of one that is stopped there may be no more than its folder
        return machine.serial() if machine else console_of(self._vms / vm_id)

    def _make(self, vm: Vm, folder: Path) -> Machine:
        return Machine(vm, folder, self._disks, self)

    def _end_unknown(self, vm_id: str) -> None:
        folder = self._vms / vm_id
        if folder.exists():
            end_all(lambda: processes_of({str(folder)}), self.clock, ENDING)

    def _release(self, vm_id: str) -> None:
        shutil.rmtree(self._vms / vm_id, ignore_errors=True)
        self.network.release(vm_id)

    def _end_all(self) -> None:
        folders = {str(path) for path in self._vms.iterdir()}
        if folders:
            end_all(lambda: processes_of(folders), self.clock, ENDING)
            shutil.rmtree(self._vms, ignore_errors=True)
        shutil.rmtree(self._disks, ignore_errors=True)

    def _stop_serving(self, *, for_good: bool) -> None:
        self.ssh.stop()
        self.network.close()
