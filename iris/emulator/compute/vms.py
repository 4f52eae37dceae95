"""VMs: what each call changes at once, and how they move on by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from iris.emulator.compute.asking import DiskWish, read_disks, read_vm
from iris.emulator.compute.disks import Disks
from iris.emulator.compute.entries import entry_of_vm
from iris.emulator.compute.operations import Operations
from iris.emulator.compute.quotas import exceeded, require_cpus
from iris.emulator.compute.records import (
    Attached,
    Goal,
    Json,
    OperationRecord,
    VmRecord,
)
from iris.emulator.errors import missing, taken
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.machines import Disk, Vm
from iris.emulator.parts import Parts
from iris.emulator.past import Past
from iris.errors import OutOfCapacity

_BILLED = frozenset({"RUNNING", "STOPPING"})


class Vms:
    """All VMs of Compute Engine; use it under the core's lock."""

    def __init__(self, parts: Parts, operations: Operations, disks: Disks) -> None:
        self.on_running: Callable[[VmRecord], None] = lambda _: None
        self._parts = parts
        self._core = parts.core
        self._operations = operations
        self._disks = disks
        self._shelf = parts.core.shelf("vm", VmRecord)
        parts.projects.on_metadata.append(self.tell)
        self.past = Past(parts.core.clock, [(vm.key, vm) for vm in self._shelf])
        self._steps: dict[Goal, Callable[[VmRecord], None]] = {
            Goal.STAGING: self._stage,
            Goal.RUNNING: self._run,
            Goal.STOPPED: self._stopped,
            Goal.SUSPENDED: self._stopped,
            Goal.GONE: self._remove,
        }

    # -- looking ---------------------------------------------------------------------

    def get(self, key: str) -> VmRecord:
        """The VM of a key. Raises a 404."""
        found = self._shelf.find(key)
        if found is None:
            project, zone, name = key.split("/")
            raise missing(f"projects/{project}/zones/{zone}/instances/{name}")
        return found

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
        wishes = self._disks.settle(vm, read_disks(body))  # nothing is changed before
        stockout = self._take(vm, FaultKind.STOCKOUT)
        operation = self.begin("insert", vm, request_id)
        addressed = None if stockout else self._addressed(vm)
        if addressed is None:
            seconds = stockout.seconds if stockout else 0.0
            delay = seconds or self._core.delays.stockout
            self._core.later.after(delay, lambda: self._refuse(vm, operation))
            return operation
        image = next((wish.image for wish in wishes if wish.is_boot), "")
        vm = replace(addressed, disks=self._attached(vm, wishes), image=image)
        self._parts.ledger.opened(entry_of_vm(vm))
        self.go(vm, Goal.STAGING, operation, self._core.delays.vm_provisioning)
        return operation

    def _asked(self, project: str, zone: str, body: Json) -> VmRecord:
        vm = read_vm(project, zone, body)
        if self._shelf.find(vm.key) is not None:
            raise taken(vm.path)
        if self._take(vm, FaultKind.QUOTA) is not None:
            raise exceeded(vm)
        require_cpus(self._parts.quota, vm, self._shelf)
        account = vm.account
        if account == "default":
            account = self._parts.projects.default_account(project)
        number = str(self._core.next_number())
        now = self._core.clock.now()
        return replace(vm, id=number, created_at=now, account=account)

    def _addressed(self, vm: VmRecord) -> VmRecord | None:
        """None where the network is full, which is a stockout to whoever asks."""
        try:
            internal, external = self._core.driver.take_address(vm.id)
        except OutOfCapacity:
            return None
        external = external if vm.wants_external else ""
        return replace(vm, internal_ip=internal, external_ip=external)

    def _attached(
        self, vm: VmRecord, wishes: Sequence[DiskWish]
    ) -> tuple[Attached, ...]:
        for wish in wishes:
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
            self._disks.attach(f"{vm.project}/{vm.zone}/{wish.name}", vm.key)
        return tuple(
            Attached(
                f"{vm.project}/{vm.zone}/{wish.name}",
                wish.device_name,
                wish.is_boot,
                wish.auto_delete,
                wish.mode,
            )
            for wish in wishes
        )

    def _refuse(self, vm: VmRecord, operation: OperationRecord) -> None:
        words = (
            f"The zone 'projects/{vm.project}/zones/{vm.zone}' does not have enough "
            "resources available to fulfill the request.  Try a different zone, or try "
            "again later."
        )
        error = {"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": words}
        self._operations.end(operation.name, error, status=503)

    # -- going -----------------------------------------------------------------------

    def delete(self, key: str, request_id: str) -> OperationRecord:
        """Stop it and give it back, whatever it is on its way to."""
        former = self._operations.of_request(request_id)
        if former is not None:
            return former
        vm = self.get(key)
        if vm.goal is Goal.GONE:
            return self._operations.get(vm.project, vm.zone, vm.under)
        operation = self.begin("delete", vm, request_id)
        self._core.driver.stop(vm.id)
        delay = self._core.delays.vm_stopping
        self.go(vm, Goal.GONE, operation, delay, status="STOPPING")
        return operation

    # -- on its way ------------------------------------------------------------------

    def go(
        self,
        vm: VmRecord,
        goal: Goal,
        operation: OperationRecord,
        delay: float,
        **changes: object,
    ) -> None:
        """From now on it is on its way to something else than before."""
        if vm.under and vm.under != operation.name:
            self._operations.end(vm.under)  # overtaken
        vm = self.set(vm, goal=goal, under=operation.name, **changes)
        self._arrive_later(vm, delay)

    def _arrive_later(self, vm: VmRecord, delay: float) -> None:
        way = (vm.id, vm.goal, vm.under)

        def due() -> None:
            now = self._shelf.find(vm.key)
            # on another way meanwhile: that has its own end
            if now is not None and (now.id, now.goal, now.under) == way:
                self._steps[now.goal](now)

        self._core.later.after(delay, due)

    def _stage(self, vm: VmRecord) -> None:
        vm = self.set(vm, status="STAGING", goal=Goal.RUNNING)
        self._arrive_later(vm, self._core.delays.vm_staging)

    def _run(self, vm: VmRecord) -> None:
        vm = self._arrived(vm, status="RUNNING", started_at=self._core.clock.now())
        late = self._take(vm, FaultKind.LATE_METADATA)
        self._core.driver.boot(
            replace(
                self.driven(vm),
                boot_delay=self._core.delays.vm_boot,
                metadata_delay=late.seconds if late else 0.0,
            )
        )
        self.on_running(vm)

    def _stopped(self, vm: VmRecord) -> None:
        status = "SUSPENDED" if vm.goal is Goal.SUSPENDED else "TERMINATED"
        self._arrived(vm, status=status, stopped_at=self._core.clock.now())

    def _remove(self, vm: VmRecord) -> None:
        """It goes, with the disks that go with it."""
        self._core.driver.delete(vm.id)
        self._shelf.drop(vm.key)
        self.past.keep(vm.key, None)
        for attached in vm.disks:
            self._disks.detach(attached.disk)
            if attached.auto_delete:
                self._disks.drop(attached.disk)
        self._parts.ledger.closed("vm", vm.id)
        self._operations.end(vm.under)

    def _take(self, vm: VmRecord, kind: FaultKind) -> Fault | None:
        return self._core.faults.take(
            kind,
            api="compute",
            verb="create",
            zone=vm.zone,
            type=vm.machine_type,
            name=vm.name,
        )

    def _arrived(self, vm: VmRecord, **changes: object) -> VmRecord:
        self._operations.end(vm.under)
        return self.set(vm, goal=Goal.NONE, under="", **changes)

    # -- as the driver has it --------------------------------------------------------

    def driven(self, vm: VmRecord) -> Vm:
        """The VM as the driver boots it."""
        project = self._parts.projects.get(vm.project)
        disks = ((self._disks.find(a.disk), a) for a in vm.disks)
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
        )

    def tell(self, project: str) -> None:
        """The metadata of a project changed: those that run see it."""
        for vm in self._shelf:
            if vm.project == project and vm.status == "RUNNING":
                self._core.driver.update(self.driven(vm))

    def resume(self) -> tuple[Vm, ...]:
        """After a restart of the emulator: move on, and say which VMs should be up."""
        for vm in self._shelf:
            if vm.goal in (Goal.STOPPED, Goal.SUSPENDED, Goal.GONE):
                self._core.driver.stop(vm.id)
            if vm.goal:
                self._arrive_later(vm, 0.0)
        return tuple(self.driven(v) for v in self._shelf if v.status == "RUNNING")

    def set(self, vm: VmRecord, **changes: object) -> VmRecord:
        """Keep what changed about a VM."""
        vm = self._shelf.put(vm.key, replace(vm, **changes))
        self.past.keep(vm.key, vm)
        self._parts.ledger.moved("vm", vm.id, vm.status, is_billed=vm.status in _BILLED)
        self._core.changed.notify_all()
        return vm

    def begin(self, type_: str, vm: VmRecord, request_id: str = "") -> OperationRecord:
        """An operation on a VM."""
        target = f"zones/{vm.zone}/instances/{vm.name}"
        return self._operations.begin(
            type_, vm.project, vm.zone, target, vm.id, request_id=request_id
        )
