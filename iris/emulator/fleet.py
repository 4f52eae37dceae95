"""The VMs of one emulator by their ids: what every driver does with them alike."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.emulator.faults import Faults
from iris.emulator.machine import Machine
from iris.emulator.machines import Vm

Mint = Callable[[str, tuple[str, ...], str], tuple[str, float]]


M = TypeVar("M", bound=Machine)


class Fleet(ABC, Generic[M]):
    """Keeps the driver's contract, but for how a VM is made and what is left of one."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.faults = Faults(clock)
        self.endpoints: Callable[[], Endpoints] = Endpoints
        self.mint: Mint = lambda email, scopes, project: ("", 0.0)
        self.may_pull: Callable[[str], bool] = bool
        self._vms, self._disks = folder / "vms", folder / "disks"
        for each in (self._vms, self._disks):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._is_closed = False
        self._machines: dict[str, M] = {}
        self._leaving: set[M] = set()  # being deleted, on their own threads

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

    # -- what differs ----------------------------------------------------------------

    @abstractmethod
    def _make(self, vm: Vm, folder: Path) -> M:
        """A VM that was not spoken of before."""

    @abstractmethod
    def _end_unknown(self, vm_id: str) -> None:
        """What may be left of a VM that nobody asked us to take up."""

    @abstractmethod
    def _release(self, vm_id: str) -> None:
        """Its address may be another's."""

    @abstractmethod
    def _end_all(self) -> None:
        """Whatever is left in the folder goes."""

    @abstractmethod
    def _stop_serving(self, *, for_good: bool) -> None:
        """Answer nobody any more."""

    # -- what does not ---------------------------------------------------------------

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
        else:
            self._end_unknown(vm_id)

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

    def delete(self, vm_id: str) -> None:
        """End it and forget it, its folder and its address; absence is success."""
        with self._lock:
            machine = self._machines.pop(vm_id, None)
            if machine is not None:
                self._leaving.add(machine)
        if machine is not None:
            machine.delete(lambda: self._has_left(machine))
        else:
            self._end_unknown(vm_id)
            self._release(vm_id)

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
        if end_all:
            self._end_all()
        self._stop_serving(for_good=end_all)

    def _has_left(self, machine: M) -> None:
        self._release(machine.vm.id)
        with self._lock:
            self._leaving.discard(machine)

    def _machine(self, vm: Vm) -> M:
        with self._lock:
            machine = self._machines.get(vm.id)
            if machine is None:
                machine = self._machines[vm.id] = self._make(vm, self._vms / vm.id)
            return machine

    def _find(self, vm_id: str) -> M | None:
        with self._lock:
            return self._machines.get(vm_id)
