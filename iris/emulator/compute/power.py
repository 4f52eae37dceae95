"""Power of VMs: stopped, started, reset, maintained, taken back by the cloud."""

from __future__ import annotations

from iris.emulator.compute.operations import Operations
from iris.emulator.compute.records import Goal, OperationRecord, VmRecord
from iris.emulator.compute.vms import Vms
from iris.emulator.core import Core
from iris.emulator.errors import Refusal
from iris.emulator.faults import Fault, FaultKind

RETRY = 1.0  # seconds until SSH connections are looked for again
NOTICE = 30.0  # seconds that a spot VM has at most


class Power:
    """Use it under the core's lock."""

    def __init__(self, core: Core, vms: Vms, operations: Operations) -> None:
        self._core = core
        self._vms = vms
        self._operations = operations
        self._cutting: set[str] = set()  # ids of those whose next try is due
        vms.on_running = self._strike

    def stop(self, key: str, verb: str = "stop") -> OperationRecord:
        """Power it off; it keeps name, labels and disks."""
        vm = self._vms.get(key)
        if vm.goal is Goal.GONE:
            raise _not_ready(vm)
        operation = self._vms.begin(verb, vm)
        goal, status = Goal.STOPPED, "STOPPING"
        if verb == "suspend":
            goal, status = Goal.SUSPENDED, "SUSPENDING"
        self._core.driver.stop(vm.id)
        delay = self._core.delays.vm_stopping
        self._vms.go(vm, goal, operation, delay, status=status)
        return operation

    def start(self, key: str, verb: str = "start") -> OperationRecord:
        """Boot it again."""
        vm = self._vms.get(key)
        if vm.status not in ("TERMINATED", "SUSPENDED", "STOPPED", "RUNNING"):
            raise _not_ready(vm)
        operation = self._vms.begin(verb, vm)
        if vm.status == "RUNNING":
            self._operations.end(operation.name)
        else:
            changes = {"status": "STAGING"}
            if vm.external_ip and vm.status != "SUSPENDED":
                changes["external_ip"] = self._core.driver.renew_address(vm.id)
            delay = self._core.delays.vm_staging
            self._vms.go(vm, Goal.RUNNING, operation, delay, **changes)
        return operation

    def reset(self, key: str) -> OperationRecord:
        """Cut it and boot it in place."""
        vm = self._vms.get(key)
        if vm.status != "RUNNING":
            raise _not_ready(vm)
        operation = self._vms.begin("reset", vm)
        self._core.driver.reset(vm.id)
        self._operations.end(operation.name)
        return operation

    def maintain(self, key: str) -> OperationRecord:
        """A maintenance event, as the guest sees it."""
        vm = self._vms.get(key)
        operation = self._vms.begin("simulateMaintenanceEvent", vm)
        ending = vm.scheduling.get("onHostMaintenance") == "TERMINATE"
        event = "TERMINATE" if ending else "MIGRATE"
        self._core.driver.maintain(vm.id, f"{event}_ON_HOST_MAINTENANCE")
        self._operations.end(operation.name)
        return operation

    def preempt(self, vm: VmRecord, notice: float) -> None:
        """The cloud takes it back."""
        operation = self._vms.begin("compute.instances.preempted", vm)
        self._operations.end(operation.name)
        deletes = vm.scheduling.get("instanceTerminationAction") == "DELETE"
        goal = Goal.GONE if deletes else Goal.STOPPED
        notice = min(notice, NOTICE)
        self._core.driver.stop(vm.id, notice=notice, preempted=True)
        self._vms.go(vm, goal, operation, notice, status="STOPPING")

    # -- faults ----------------------------------------------------------------------

    def strike(self) -> None:
        """Faults that take what lives, once their time has come."""
        for vm in self._vms.all():
            if vm.status == "RUNNING":
                self._strike(vm)

    def _strike(self, vm: VmRecord) -> None:
        fault = self._take(
            vm, FaultKind.PREEMPTION, FaultKind.MAINTENANCE, FaultKind.DEAD_WORKER
        )
        if fault is not None:
            self._suffer(vm, fault)
        if fault is None or fault.kind is not FaultKind.PREEMPTION:
            self._cut(vm)

    def _take(self, vm: VmRecord, *kinds: FaultKind) -> Fault | None:
        return self._core.faults.take(
            *kinds,
            zone=vm.zone,
            type=vm.machine_type,
            name=vm.name,
            worker=0,
            api="compute",
        )

    def _suffer(self, vm: VmRecord, fault: Fault) -> None:
        if fault.kind is FaultKind.PREEMPTION:
            self.preempt(vm, fault.notice)
        elif fault.kind is FaultKind.MAINTENANCE:
            self.maintain(vm.key)
        else:
            self._core.driver.kill_processes(vm.id)

    def _cut(self, vm: VmRecord) -> None:
        """Connections to it, where there are some; later where there are none yet."""
        facts = {"zone": vm.zone, "type": vm.machine_type, "name": vm.name}
        if not self._core.faults.is_planned(FaultKind.SSH_CUT, api="compute", **facts):
            return
        if self._core.driver.cut_ssh(vm.id):
            self._take(vm, FaultKind.SSH_CUT)
        elif vm.id not in self._cutting:
            self._cutting.add(vm.id)
            self._core.later.after(RETRY, lambda: self._cut_again(vm))

    def _cut_again(self, vm: VmRecord) -> None:
        self._cutting.discard(vm.id)
        for now in self._vms.all():
            if now.id == vm.id and now.status == "RUNNING":
                self._cut(now)


def _not_ready(vm: VmRecord) -> Refusal:
    return Refusal("not-ready", f"The resource '{vm.path}' is not ready")
