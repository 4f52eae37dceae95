"""Persistent disks: made, had by one VM at a time, deleted when nobody has them."""

from __future__ import annotations

import itertools

from msgspec.structs import replace

from iris.emulator.compute.asking import DiskWish, name_from, size_from
from iris.emulator.compute.entries import entry_of_disk
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.records import (
    DiskRecord,
    Json,
    OperationRecord,
    VmRecord,
)
from iris.emulator.errors import Refusal, missing, taken
from iris.emulator.labels import labels_from
from iris.emulator.parts import Parts
from iris.emulator.past import Past


class Disks:
    """All disks; use it under the core's lock."""

    def __init__(self, parts: Parts, operations: Operations) -> None:
        self._parts = parts
        self._operations = operations
        self._shelf = parts.core.shelf("disk", DiskRecord)
        self.past = Past(parts.core.clock, [(d.key, d) for d in self._shelf])

    def insert(self, project: str, zone: str, body: Json, request: str) -> str:
        """Name of the operation that makes one from a request's body."""
        former = self._operations.of_request(request)
        if former is not None:
            return former.name
        disk = self.make(
            project,
            zone,
            name_from(body),
            size_gb=size_from(body.get("sizeGb")),
            type_=_last(body.get("type"), "pd-standard"),
            labels=labels_from(body.get("labels")),
            image=str(body.get("sourceImage") or ""),
        )
        return self._done("insert", disk, request).name

    def make(  # noqa: PLR0913 - what a disk is
        self,
        project: str,
        zone: str,
        name: str,
        *,
        size_gb: int,
        type_: str,
        labels: dict[str, str],
        image: str = "",
    ) -> DiskRecord:
        """A new disk. Raises a 409 where the name is taken."""
        core = self._parts.core
        disk = DiskRecord(
            id=str(core.next_number()),
            project=project,
            zone=zone,
            name=name,
            size_gb=size_gb,
            type=type_,
            created_at=core.clock.now(),
            labels=labels,
            image=image,
        )
        if self._shelf.find(disk.key) is not None:
            raise taken(disk.path)
        self._put(disk)
        self._parts.ledger.opened(entry_of_disk(disk))
        return disk

    def get(self, key: str) -> DiskRecord:
        """The disk of a key. Raises a 404."""
        found = self._shelf.find(key)
        if found is None:
            project, zone, name = key.split("/")
            raise missing(f"projects/{project}/zones/{zone}/disks/{name}")
        return found

    def find(self, key: str) -> DiskRecord | None:
        """The disk of a key, None where there is none."""
        return self._shelf.find(key)

    def sizes(self) -> dict[str, int]:
        """Gigabytes of each disk by key."""
        return {disk.key: disk.size_gb for disk in self._shelf}

    def delete(self, key: str, request: str) -> OperationRecord:
        """Give it back. Raises a 400 while a VM has it."""
        disk = self.get(key)
        if disk.user:
            raise _in_use(disk, f"{disk.path}")
        self.drop(key)
        return self._done("delete", disk, request)

    def drop(self, key: str) -> None:
        """It goes, with all that was on it."""
        disk = self._shelf.find(key)
        if disk is None:
            return
        self._shelf.drop(key)
        self.past.keep(key, None)
        self._parts.ledger.closed("disk", disk.id)
        self._parts.core.driver.delete_disk(disk.id)

    def settle(self, vm: VmRecord, wishes: list[DiskWish]) -> list[DiskWish]:
        """The wishes with all their names, where a VM can have every one of them.

        Raises a 404, 409 or 400 where it cannot, before anything is changed.
        """
        settled: list[DiskWish] = []
        for wish in wishes:
            meant = {each.name for each in settled}
            name = wish.name or self._free_name(vm, meant)
            key = f"{vm.project}/{vm.zone}/{name}"
            if wish.source:
                self._require_free(self.get(key), "")
            elif self._shelf.find(key) is not None:
                raise taken(f"projects/{vm.project}/zones/{vm.zone}/disks/{name}")
            if name in meant:
                words = f"Invalid value for field 'resource.disks': '{name}' twice."
                raise Refusal("invalid", words)
            device = wish.device_name or name
            settled.append(replace(wish, name=name, device_name=device))
        return settled

    def _free_name(self, vm: VmRecord, meant: set[str]) -> str:
        """After the VM; the service makes one up where that is taken."""
        for number in itertools.count():
            name = f"{vm.name}-{number}" if number else vm.name
            key = f"{vm.project}/{vm.zone}/{name}"
            if name not in meant and self._shelf.find(key) is None:
                return name
        raise AssertionError("there are numbers without end")

    def attach(self, key: str, vm_key: str) -> None:
        """One VM has it read-write. Raises a 400 naming another that has it."""
        disk = self.get(key)
        self._require_free(disk, vm_key)
        self._put(replace(disk, user=vm_key))

    def detach(self, key: str) -> None:
        """Nobody has it."""
        disk = self._shelf.find(key)
        if disk is not None:
            self._put(replace(disk, user=""))

    def _require_free(self, disk: DiskRecord, vm_key: str) -> None:
        if disk.user and disk.user != vm_key:
            raise _in_use(disk, disk.path)

    def _put(self, disk: DiskRecord) -> None:
        self._shelf.put(disk.key, disk)
        self.past.keep(disk.key, disk)

    def label(self, key: str, labels: dict[str, str]) -> OperationRecord:
        """Other labels."""
        disk = self.get(key)
        version = disk.labels_version + 1
        disk = replace(disk, labels=labels, labels_version=version)
        self._put(disk)
        return self._done("setLabels", disk, "")

    def resize(self, key: str, size_gb: int) -> OperationRecord:
        """Larger. Raises a 400 for smaller."""
        disk = self.get(key)
        if size_gb < disk.size_gb:
            words = f"Invalid value for field 'sizeGb': '{size_gb}'. Disks only grow."
            raise Refusal("invalid", words)
        self._put(replace(disk, size_gb=size_gb))
        return self._done("resizeDisk", disk, "")

    def _done(self, type_: str, disk: DiskRecord, request: str) -> OperationRecord:
        operation = self._operations.begin(
            type_,
            disk.project,
            disk.zone,
            f"zones/{disk.zone}/disks/{disk.name}",
            disk.id,
            request_id=request,
        )
        self._operations.end(operation.name)
        return self._operations.get(disk.project, disk.zone, operation.name)


def _in_use(disk: DiskRecord, path: str) -> Refusal:
    project, zone, name = disk.user.split("/")
    holder = f"projects/{project}/zones/{zone}/instances/{name}"
    return Refusal(
        "in-use", f"The disk resource '{path}' is already being used by '{holder}'"
    )


def _last(value: object, default: str) -> str:
    return str(value).rpartition("/")[2] if value else default
