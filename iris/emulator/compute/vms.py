"""VMs: what each call changes at once, and how they move on by themselves."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from iris.emulator.compute.asking import read_disk, read_disks, read_vm
from iris.emulator.compute.disks import Disks
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.records import Attached, Json, OperationRecord, VmRecord
from iris.emulator.errors import Refusal, missing, taken
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.ledger import Entry
from iris.emulator.machines import Disk, Vm
from iris.emulator.parts import Parts

NOTICE = 30.0  # seconds that a spot VM has at most
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
        operation = self._begin("insert", vm, request_id)
        if stockout is not None:
            delay = stockout.seconds or self._core.delays.stockout
            self._core.later.after(delay, lambda: self._refuse(vm, operation))
            return operation
        vm = replace(vm, disks=self._disks_for(vm, body))
        self._shelf.put(vm.key, vm)
        self._open(vm)
        self._move(self._core.delays.vm_provisioning, vm, self._stage, operation)
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

    def _stage(self, vm: VmRecord, operation: OperationRecord) -> None:
        vm = self._set(vm, status="STAGING")
        self._move(self._core.delays.vm_staging, vm, self._run, operation)

    def _run(self, vm: VmRecord, operation: OperationRecord) -> None:
        vm = self._set(vm, status="RUNNING", started_at=self._core.clock.now())
        self._operations.end(operation.name)
        self._core.driver.boot(self.driven(vm))

    # -- going -----------------------------------------------------------------------

    def delete(self, key: str, request_id: str) -> OperationRecord:
        """Stop it and give it back."""
        former = self._operations.of_request(request_id)
        if former is not None:
            return former
        vm = self._set(self.get(key), status="STOPPING")
        operation = self._begin("delete", vm, request_id)
        self._core.driver.stop(vm.id)
        self._move(self._core.delays.vm_stopping, vm, self._remove, operation)
        return operation

    def _remove(self, vm: VmRecord, operation: OperationRecord) -> None:
        self._core.driver.delete(vm.id)
        self._shelf.drop(vm.key)
        for attached in vm.disks:
            self._disks.detach(attached.disk)
            if attached.auto_delete:
                self._disks.drop(attached.disk)
        self._parts.ledger.closed("vm", vm.id)
        self._operations.end(operation.name)

    def stop(self, key: str, verb: str = "stop") -> OperationRecord:
        """Power it off; it keeps name, labels and disks."""
        vm = self.get(key)
        going, gone = ("STOPPING", "TERMINATED")
        if verb == "suspend":
            going, gone = ("SUSPENDING", "SUSPENDED")
        vm = self._set(vm, status=going)
        operation = self._begin(verb, vm)
        self._core.driver.stop(vm.id)

        def stopped(vm: VmRecord, operation: OperationRecord) -> None:
            self._set(vm, status=gone, stopped_at=self._core.clock.now())
            self._operations.end(operation.name)

        self._move(self._core.delays.vm_stopping, vm, stopped, operation)
        return operation

    def start(self, key: str, verb: str = "start") -> OperationRecord:
        """Boot it again, at another external address."""
        vm = self.get(key)
        if vm.status not in ("TERMINATED", "SUSPENDED", "STOPPED", "RUNNING"):
            raise _not_ready(vm)
        operation = self._begin(verb, vm)
        if vm.status == "RUNNING":
            self._operations.end(operation.name)
        else:
            self._stage(vm, operation)
        return operation

    def reset(self, key: str) -> OperationRecord:
        """Cut it and boot it in place."""
        vm = self.get(key)
        if vm.status != "RUNNING":
            raise _not_ready(vm)
        operation = self._begin("reset", vm)
        self._core.driver.reset(vm.id)
        self._operations.end(operation.name)
        return operation

    def maintain(self, key: str) -> OperationRecord:
        """A maintenance event, as the guest sees it."""
        vm = self.get(key)
        operation = self._begin("simulateMaintenanceEvent", vm)
        ending = vm.scheduling.get("onHostMaintenance") == "TERMINATE"
        event = "TERMINATE" if ending else "MIGRATE"
        self._core.driver.maintain(vm.id, f"{event}_ON_HOST_MAINTENANCE")
        self._operations.end(operation.name)
        return operation

    def preempt(self, vm: VmRecord, notice: float) -> None:
        """The cloud takes it back."""
        operation = self._begin("compute.instances.preempted", vm)
        self._operations.end(operation.name)
        deletes = vm.scheduling.get("instanceTerminationAction") == "DELETE"
        vm = self._set(vm, status="STOPPING")
        self._core.driver.stop(vm.id, notice=min(notice, NOTICE), preempted=True)

        def gone(vm: VmRecord, operation: OperationRecord) -> None:
            if deletes:
                self._remove(vm, operation)
            else:
                self._set(vm, status="TERMINATED", stopped_at=self._core.clock.now())

        self._move(min(notice, NOTICE), vm, gone, operation)

    # -- changing --------------------------------------------------------------------

    def set_metadata(self, key: str, metadata: dict[str, str]) -> OperationRecord:
        """Other attributes; the guest sees them at once."""
        vm = self.get(key)
        version = vm.metadata_version + 1
        vm = self._set(vm, metadata=metadata, metadata_version=version)
        self._core.driver.update(self.driven(vm))
        return self._at_once("setMetadata", vm)

    def set_labels(self, key: str, labels: dict[str, str]) -> OperationRecord:
        """Other labels."""
        vm = self.get(key)
        vm = self._set(vm, labels=labels, labels_version=vm.labels_version + 1)
        return self._at_once("setLabels", vm)

    def set_tags(self, key: str, tags: tuple[str, ...]) -> OperationRecord:
        """Other network tags."""
        vm = self.get(key)
        vm = self._set(vm, tags=tags, tags_version=vm.tags_version + 1)
        return self._at_once("setTags", vm)

    def attach_disk(self, key: str, body: Json) -> OperationRecord:
        """One more existing disk."""
        vm = self.get(key)
        wish = read_disk(body, vm.name)
        disk = f"{vm.project}/{vm.zone}/{wish.name}"
        self._disks.attach(disk, vm.key)
        attached = Attached(disk, wish.device_name, auto_delete=wish.auto_delete)
        vm = self._set(vm, disks=(*vm.disks, attached))
        self._core.driver.update(self.driven(vm))
        return self._at_once("attachDisk", vm)

    def detach_disk(self, key: str, device_name: str) -> OperationRecord:
        """One disk less."""
        vm = self.get(key)
        found = [d for d in vm.disks if d.device_name == device_name]
        if not found:
            words = f"Invalid value for field 'deviceName': '{device_name}'."
            raise Refusal("invalid", f"{words} No such device.")
        self._disks.detach(found[0].disk)
        vm = self._set(vm, disks=tuple(d for d in vm.disks if d not in found))
        self._core.driver.update(self.driven(vm))
        return self._at_once("detachDisk", vm)

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

    # -- faults and restarts -----------------------------------------------------------

    def strike(self) -> None:
        """Faults that take what lives, once their time has come."""
        for vm in self._shelf:
            if vm.status != "RUNNING":
                continue
            fault = self._core.faults.take(
                FaultKind.PREEMPTION,
                FaultKind.MAINTENANCE,
                FaultKind.DEAD_WORKER,
                FaultKind.SSH_CUT,
                zone=vm.zone,
                type=vm.machine_type,
                name=vm.name,
                worker=0,
                api="compute",
            )
            if fault is not None:
                self._suffer(vm, fault)

    def _suffer(self, vm: VmRecord, fault: Fault) -> None:
        if fault.kind is FaultKind.PREEMPTION:
            self.preempt(vm, fault.notice)
        elif fault.kind is FaultKind.MAINTENANCE:
            self.maintain(vm.key)
        elif fault.kind is FaultKind.DEAD_WORKER:
            self._core.driver.kill_processes(vm.id)
        else:
            self._core.driver.cut_ssh(vm.id)

    def resume(self) -> tuple[Vm, ...]:
        """After a restart of the emulator: move on, and say which VMs should be up."""
        for vm in self._shelf:
            if vm.status in ("PROVISIONING", "STAGING"):
                self._move(0.0, vm, self._stage, self._begin("insert", vm))
            elif vm.status == "STOPPING":
                self._move(0.0, vm, self._remove, self._begin("delete", vm))
        return tuple(self.driven(v) for v in self._shelf if v.status == "RUNNING")

    # -- steps -------------------------------------------------------------------------

    def _move(
        self,
        delay: float,
        vm: VmRecord,
        step: Callable[[VmRecord, OperationRecord], None],
        operation: OperationRecord,
    ) -> None:
        def due() -> None:
            now = self._shelf.find(vm.key)
            # deleted or stopped meanwhile: that has its own way
            if now is not None and now.id == vm.id and now.status == vm.status:
                step(now, operation)
            else:
                self._operations.end(operation.name)

        self._core.later.after(delay, due)

    def _set(self, vm: VmRecord, **changes: object) -> VmRecord:
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

    def _begin(self, type_: str, vm: VmRecord, request_id: str = "") -> OperationRecord:
        target = f"zones/{vm.zone}/instances/{vm.name}"
        return self._operations.begin(
            type_, vm.project, vm.zone, target, vm.id, request_id=request_id
        )

    def _at_once(self, type_: str, vm: VmRecord) -> OperationRecord:
        operation = self._begin(type_, vm)
        self._operations.end(operation.name)
        return self._operations.get(vm.project, vm.zone, operation.name)


def _not_ready(vm: VmRecord) -> Refusal:
    return Refusal("not-ready", f"The resource '{vm.path}' is not ready")
