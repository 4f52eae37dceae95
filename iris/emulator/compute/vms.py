"""VMs: what each call changes at once, and how they move on by themselves."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from iris.emulator.compute.asking import read_disks, read_vm
from iris.emulator.compute.disks import Disks
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.records import Attached, Json, OperationRecord, VmRecord
from iris.emulator.errors import Refusal, missing, taken
from iris.emulator.faults import FaultKind
from iris.emulator.ledger import Entry
from iris.emulator.machines import Disk, Vm
from iris.emulator.parts import Parts

_BILLED = frozenset({"RUNNING", "STOPPING"})


class Vms:
    """All VMs of Compute Engine; use it under the core's lock."""

    def __init__(self, parts: Parts, operations: Operations, disks: Disks) -> None:
        self._parts = parts
        self._core = parts.core
        self._operations = operations
        self._disks = disks
        self._shelf = parts.core.shelf("vm", VmRecord)

    # -- looking ---------------------------------------------------------------------

    def get(self, key: str) -> VmRecord:
        """The VM of a key. Raises a 404."""
        found = self._shelf.find(key)
        if found is None:
            project, zone, name = key.split("/")
            raise missing(f"projects/{project}/zones/{zone}/instances/{name}")
        return found

    def listed(self, project: str, zone: str = "") -> list[VmRecord]:
        """Those of a project, of one zone where it is named, by name."""
        found = [
            v for v in self._shelf if v.project == project and zone in ("", v.zone)
        ]
        return sorted(found, key=lambda vm: vm.name)

    def all(self) -> list[VmRecord]:
        """Every VM of every project."""
        return list(self._shelf)

    # -- coming ----------------------------------------------------------------------

    def insert(
        self, project: str, zone: str, body: Json, request_id: str
    ) -> OperationRecord:
        """One more VM. Raises 400s, 404s, 409s, quota."""
        former = self._operations.of_request(request_id)
        if former is not None:
            return former
        vm = self._asked(project, zone, body)
        stockout = self._core.faults.take(
            FaultKind.STOCKOUT,
            api="compute",
            verb="create",
            zone=zone,
            type=vm.machine_type,
            name=vm.name,
        )
        operation = self.begin("insert", vm, request_id)
        if stockout is not None:
            delay = stockout.seconds or self._core.delays.stockout
            self._core.later.after(delay, lambda: self._refuse(vm, operation))
            return operation
        vm = replace(vm, disks=self._disks_for(vm, body))
        self._shelf.put(vm.key, vm)
        self._open(vm)
        self.move_on(self._core.delays.vm_provisioning, vm, self.stage, operation)
        return operation

    def _asked(self, project: str, zone: str, body: Json) -> VmRecord:
        vm = read_vm(project, zone, body)
        if self._shelf.find(vm.key) is not None:
            raise taken(vm.path)
        quota = self._core.faults.take(
            FaultKind.QUOTA,
            api="compute",
            verb="create",
            zone=zone,
            type=vm.machine_type,
            name=vm.name,
        )
        if quota is not None:
            region = zone.rpartition("-")[0]
            words = f"Quota 'CPUS' exceeded.  Limit: 24.0 in region {region}."
            raise Refusal("quota", words)
        number = str(self._core.next_number())
        account = vm.account
        if account == "default":
            account = self._parts.projects.default_account(project)
        internal, external = self._core.driver.take_address(number)
        return replace(
            vm,
            id=number,
            created_at=self._core.clock.now(),
            account=account,
            internal_ip=internal,
            external_ip=external if vm.wants_external else "",
        )

    def _disks_for(self, vm: VmRecord, body: Json) -> tuple[Attached, ...]:
        wishes = read_disks(body)
        for wish in wishes:  # first what may be refused
            key = f"{vm.project}/{vm.zone}/{wish.name}"
            if wish.source:
                self._disks.attach(key, vm.key)
        made = []
        for wish in wishes:
            key = f"{vm.project}/{vm.zone}/{wish.name}"
            if not wish.source:
                self._disks.make(
                    vm.project,
                    vm.zone,
                    wish.name,
                    size_gb=wish.size_gb,
                    type_=wish.type,
                    labels=wish.labels,
                    image=wish.image,
                )
                self._disks.attach(key, vm.key)
            made.append(
                Attached(
                    key, wish.device_name, wish.is_boot, wish.auto_delete, wish.mode
                )
            )
        return tuple(made)

    def _refuse(self, vm: VmRecord, operation: OperationRecord) -> None:
        words = (
            f"The zone 'projects/{vm.project}/zones/{vm.zone}' does not have enough "
            "resources available to fulfill the request.  Try a different zone, or try "
            "again later."
        )
        error = {"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": words}
        self._operations.end(operation.name, error, status=503)

    def stage(self, vm: VmRecord, operation: OperationRecord) -> None:
        """Its disks are there; it boots next."""
        vm = self.set(vm, status="STAGING")
        self.move_on(self._core.delays.vm_staging, vm, self._run, operation)

    def _run(self, vm: VmRecord, operation: OperationRecord) -> None:
        vm = self.set(vm, status="RUNNING", started_at=self._core.clock.now())
        self._operations.end(operation.name)
        self._core.driver.boot(self.driven(vm))

    # -- going -----------------------------------------------------------------------

    def delete(self, key: str, request_id: str) -> OperationRecord:
        """Stop it and give it back."""
        former = self._operations.of_request(request_id)
        if former is not None:
            return former
        vm = self.set(self.get(key), status="STOPPING")
        operation = self.begin("delete", vm, request_id)
        self._core.driver.stop(vm.id)
        self.move_on(self._core.delays.vm_stopping, vm, self.remove, operation)
        return operation

    def remove(self, vm: VmRecord, operation: OperationRecord) -> None:
        """It goes, with the disks that go with it."""
        self._core.driver.delete(vm.id)
        self._shelf.drop(vm.key)
        for attached in vm.disks:
            self._disks.detach(attached.disk)
            if attached.auto_delete:
                self._disks.drop(attached.disk)
        self._parts.ledger.closed("vm", vm.id)
        self._operations.end(operation.name)

    # -- as the driver has it --------------------------------------------------------

    def driven(self, vm: VmRecord) -> Vm:
        """The VM as the driver boots it."""
        project = self._parts.projects.get(vm.project)
        disks = ((self._disks.find(a.disk), a) for a in vm.disks)
        late = self._core.faults.take(
            FaultKind.LATE_METADATA, api="metadata", zone=vm.zone, name=vm.name
        )
        return Vm(
            id=vm.id,
            name=vm.name,
            project=vm.project,
            project_number=project.number,
            zone=vm.zone,
            machine_type=vm.machine_type,
            internal_ip=vm.internal_ip,
            external_ip=vm.external_ip,
            attributes=vm.metadata,
            project_attributes=project.metadata,
            service_account=vm.account,
            scopes=vm.scopes,
            tags=vm.tags,
            labels=vm.labels,
            image=vm.image,
            preemptible=vm.is_spot,
            disks=tuple(
                Disk(disk.id, a.device_name, a.is_boot) for disk, a in disks if disk
            ),
            metadata_delay=late.seconds if late else 0.0,
        )

    def resume(self) -> tuple[Vm, ...]:
        """After a restart of the emulator: move on, and say which VMs should be up."""
        for vm in self._shelf:
            if vm.status in ("PROVISIONING", "STAGING"):
                self.move_on(0.0, vm, self.stage, self.begin("insert", vm))
            elif vm.status == "STOPPING":
                self.move_on(0.0, vm, self.remove, self.begin("delete", vm))
        return tuple(self.driven(v) for v in self._shelf if v.status == "RUNNING")

    # -- steps -------------------------------------------------------------------------

    def move_on(
        self,
        delay: float,
        vm: VmRecord,
        step: Callable[[VmRecord, OperationRecord], None],
        operation: OperationRecord,
    ) -> None:
        """Take a step after a while, unless something else happened to it."""

        def due() -> None:
            now = self._shelf.find(vm.key)
            # deleted or stopped meanwhile: that has its own way
            if now is not None and now.id == vm.id and now.status == vm.status:
                step(now, operation)
            else:
                self._operations.end(operation.name)

        self._core.later.after(delay, due)

    def set(self, vm: VmRecord, **changes: object) -> VmRecord:
        """Keep what changed about a VM."""
        vm = self._shelf.put(vm.key, replace(vm, **changes))
        self._parts.ledger.moved("vm", vm.id, vm.status, is_billed=vm.status in _BILLED)
        self._core.changed.notify_all()
        return vm

    def _open(self, vm: VmRecord) -> None:
        entry = Entry(
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
        self._parts.ledger.opened(entry)

    def begin(self, type_: str, vm: VmRecord, request_id: str = "") -> OperationRecord:
        """An operation on a VM."""
        target = f"zones/{vm.zone}/instances/{vm.name}"
        return self._operations.begin(
            type_, vm.project, vm.zone, target, vm.id, request_id=request_id
        )
