"""A driver that makes nothing and remembers what it was asked for."""

from __future__ import annotations

from iris.emulator.machines import Vm
from iris.errors import OutOfCapacity


class FakeDriver:
    """Addresses are real ones of 127.9.0.0/24, VMs are words."""

    def __init__(self) -> None:
        self.up: dict[str, Vm] = {}
        self.calls: list[tuple[str, str]] = []
        self.console = b"a first line\nand a second one\n"
        self.guests: dict[str, dict[str, str]] = {}
        self.room = 124  # VMs that have an address at once
        self.connections: dict[str, int] = {}  # of SSH, by VM
        self._places: dict[str, int] = {}
        self._last = -1

    @property
    def addressed(self) -> frozenset[str]:
        """The VMs that have an address."""
        return frozenset(self._places)

    def take_address(self, vm_id: str) -> tuple[str, str]:
        if vm_id not in self._places:
            if len(self._places) == self.room:
                raise OutOfCapacity(
                    f"the network has {self.room} VMs, and no more room"
                )
            self._last += 1
            self._places[vm_id] = self._last
        place = self._places[vm_id]
        return f"127.9.0.{2 + place}", f"127.9.0.{130 + place}"

    def renew_address(self, vm_id: str) -> str:
        self._last += 1
        return f"127.9.0.{130 + self._last}"

    def boot(self, vm: Vm) -> None:
        self.calls.append(("boot", vm.id))
        self.up[vm.id] = vm

    def update(self, vm: Vm) -> None:
        self.calls.append(("update", vm.id))
        self.up[vm.id] = vm

    def stop(self, vm_id: str, *, notice: float = 0.0, preempted: bool = False) -> None:
        self.calls.append(("preempt" if preempted else "stop", vm_id))
        self.up.pop(vm_id, None)

    def reset(self, vm_id: str) -> None:
        self.calls.append(("reset", vm_id))

    def maintain(self, vm_id: str, event: str) -> None:
        self.calls.append((event, vm_id))

    def kill_processes(self, vm_id: str) -> None:
        self.calls.append(("kill", vm_id))

    def way_to(self, address: str, port: int) -> tuple[str, int] | None:
        return (address, port) if address.startswith("127.9.0.") else None

    def cut_ssh(self, vm_id: str = "") -> int:
        self.calls.append(("cut", vm_id))
        return self.connections.pop(vm_id, 0)

    def delete(self, vm_id: str) -> None:
        self.calls.append(("delete", vm_id))
        self.up.pop(vm_id, None)
        self._places.pop(vm_id, None)

    def delete_disk(self, disk_id: str) -> None:
        self.calls.append(("delete disk", disk_id))

    def serial(self, vm_id: str) -> bytes:
        return self.console

    def guest_attributes(self, vm_id: str) -> dict[str, dict[str, str]]:
        return self.guests

    def running(self) -> frozenset[str]:
        return frozenset(self.up)

    def restore(self, vms: tuple[Vm, ...]) -> None:
        self.calls += [("restore", vm.id) for vm in vms]
        self.up |= {vm.id: vm for vm in vms}

    def close(self, *, end_all: bool) -> None:
        self.calls.append(("close", str(end_all)))
        self.up.clear()
