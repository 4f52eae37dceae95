"""What the APIs ask of a driver, which makes VMs real: boot, stop, delete, look.

The APIs decide what exists and in which state; a driver only carries it out. Its
calls return at once, are safe to repeat, and name a VM by its id.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Disk(msgspec.Struct, frozen=True):
    """A persistent disk as one VM has it."""

    id: str  # of the disk; its content outlives the VM
    device_name: str  # /dev/disk/by-id/google-DEVICE_NAME inside
    is_boot: bool = False


class Vm(msgspec.Struct, frozen=True, kw_only=True):
    """One VM: a Compute instance, or one machine of a TPU slice."""

    id: str  # decimal digits, unique for its life
    name: str  # instance/name: the instance's, or t1v-n-<8 hex>-w-<worker>
    project: str
    project_number: int
    zone: str
    machine_type: str
    internal_ip: str
    external_ip: str = ""  # empty: it has none
    attributes: dict[str, str] = {}  # all that instance/attributes/ shows
    project_attributes: dict[str, str] = {}
    service_account: str = ""  # email; empty: none, and no token
    scopes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    image: str = ""
    preemptible: bool = False
    disks: tuple[Disk, ...] = ()
    boot_delay: float = 0.0  # seconds before anything of it answers
    metadata_delay: float = 0.0  # seconds until its metadata server answers (fault)


class Driver(Protocol):
    """Makes VMs real."""

    def take_address(self, vm_id: str) -> tuple[str, str]:
        """An internal and an external address, the same again for the same id.

        Raises OutOfCapacity when the network is full.
        """

    def renew_address(self, vm_id: str) -> str:
        """Another external address, as a VM has after it was off."""

    def boot(self, vm: Vm) -> None:
        """Start it, and run its startup script; nothing if it runs."""

    def update(self, vm: Vm) -> None:
        """Its metadata changed: whoever waits for that is answered."""

    def stop(self, vm_id: str, *, notice: float = 0.0, preempted: bool = False) -> None:
        """Power it off after `notice` seconds; everything in it ends. Disks stay."""

    def reset(self, vm_id: str) -> None:
        """Cut it and boot it again at the same address."""

    def maintain(self, vm_id: str, event: str) -> None:
        """Show `event` as instance/maintenance-event."""

    def kill_processes(self, vm_id: str) -> None:
        """All in it dies, the VM counts as running (a dead worker of a live slice)."""

    def cut_ssh(self, vm_id: str = "") -> int:
        """Cut every SSH connection to it, to all where none is named; how many."""

    def delete(self, vm_id: str) -> None:
        """End it and forget it, its folder and its address; absence is success."""

    def delete_disk(self, disk_id: str) -> None:
        """The content of a disk goes; absence is success."""

    def way_to(self, address: str, port: int) -> tuple[str, int] | None:
        """Where a VM's port is dialled from this machine, None for no VM of ours."""

    def serial(self, vm_id: str) -> bytes:
        """Its console so far (the last MB), empty where there is none."""

    def guest_attributes(self, vm_id: str) -> dict[str, dict[str, str]]:
        """What the guest wrote, by namespace and key (`hostkeys`, `ssh-ed25519`)."""

    def running(self) -> frozenset[str]:
        """Ids of VMs that are up."""

    def restore(self, vms: tuple[Vm, ...]) -> None:
        """After a restart of the emulator: take up those that live, boot the others."""

    def close(self, *, end_all: bool) -> None:
        """Stop serving; with `end_all` every VM ends and its folder goes."""
