"""What a request changes about a VM that lives: metadata, labels, tags, disks."""

from __future__ import annotations

from iris.emulator.compute.asking import read_disk
from iris.emulator.compute.disks import Disks
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.records import Attached, Json, OperationRecord, VmRecord
from iris.emulator.compute.vms import Vms
from iris.emulator.core import Core
from iris.emulator.errors import Refusal


class Changes:
    """Takes effect at once; use it under the core's lock."""

    def __init__(
        self, core: Core, vms: Vms, disks: Disks, operations: Operations
    ) -> None:
        self._core = core
        self._vms = vms
        self._disks = disks
        self._operations = operations

    def set_metadata(self, key: str, metadata: dict[str, str]) -> OperationRecord:
        """Other attributes; the guest sees them at once."""
        vm = self._vms.get(key)
        version = vm.metadata_version + 1
        vm = self._vms.set(vm, metadata=metadata, metadata_version=version)
        self._core.driver.update(self._vms.driven(vm))
        return self._at_once("setMetadata", vm)

    def set_labels(self, key: str, labels: dict[str, str]) -> OperationRecord:
        """Other labels."""
        vm = self._vms.get(key)
        vm = self._vms.set(vm, labels=labels, labels_version=vm.labels_version + 1)
        return self._at_once("setLabels", vm)

    def set_tags(self, key: str, tags: tuple[str, ...]) -> OperationRecord:
        """Other network tags."""
        vm = self._vms.get(key)
        vm = self._vms.set(vm, tags=tags, tags_version=vm.tags_version + 1)
        return self._at_once("setTags", vm)

    def attach_disk(self, key: str, body: Json) -> OperationRecord:
        """One more existing disk."""
        vm = self._vms.get(key)
        wish = read_disk(body)
        if not wish.source:
            words = "Invalid value for field 'resource.source': an existing disk."
            raise Refusal("invalid", words)
        disk = f"{vm.project}/{vm.zone}/{wish.name}"
        if any(each.disk == disk for each in vm.disks):
            words = f"The disk resource '{wish.name}' is already being used by it"
            raise Refusal("in-use", words)
        self._disks.attach(disk, vm.key)
        device = wish.device_name or wish.name
        attached = Attached(disk, device, auto_delete=wish.auto_delete, mode=wish.mode)
        vm = self._vms.set(vm, disks=(*vm.disks, attached))
        self._core.driver.update(self._vms.driven(vm))
        return self._at_once("attachDisk", vm)

    def detach_disk(self, key: str, device_name: str) -> OperationRecord:
        """One disk less."""
        vm = self._vms.get(key)
        found = [d for d in vm.disks if d.device_name == device_name]
        if not found:
            words = f"Invalid value for field 'deviceName': '{device_name}'."
            raise Refusal("invalid", f"{words} No such device.")
        self._disks.detach(found[0].disk)
        vm = self._vms.set(vm, disks=tuple(d for d in vm.disks if d not in found))
        self._core.driver.update(self._vms.driven(vm))
        return self._at_once("detachDisk", vm)

    def _at_once(self, type_: str, vm: VmRecord) -> OperationRecord:
        operation = self._vms.begin(type_, vm)
        self._operations.end(operation.name)
        return self._operations.get(vm.project, vm.zone, operation.name)
