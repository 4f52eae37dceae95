"""What the ledger keeps of VMs and disks."""

from __future__ import annotations

from iris.emulator.compute.records import DiskRecord, VmRecord
from iris.emulator.ledger import Entry


def entry_of_vm(vm: VmRecord) -> Entry:
    """A VM that was made just now."""
    return Entry(
        kind="vm",
        id=vm.id,
        name=vm.name,
        project=vm.project,
        zone=vm.zone,
        type=vm.machine_type,
        capacity="spot" if vm.is_spot else "on-demand",
        labels=vm.labels,
        state=vm.status,
        created_at=vm.created_at,
    )


def entry_of_disk(disk: DiskRecord) -> Entry:
    """A disk that was made just now, and costs from now on."""
    return Entry(
        kind="disk",
        id=disk.id,
        name=disk.name,
        project=disk.project,
        zone=disk.zone,
        type=disk.type,
        labels=disk.labels,
        state="READY",
        created_at=disk.created_at,
        billing_since=disk.created_at,
    )
