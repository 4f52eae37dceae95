"""Power of VMs: stopped, started, reset, maintained, taken back by the cloud."""

from __future__ import annotations

from iris.emulator.compute.operations import Operations
from iris.emulator.compute.records import OperationRecord, VmRecord
from iris.emulator.compute.vms import Vms
from iris.emulator.core import Core
from iris.emulator.errors import Refusal
from iris.emulator.faults import Fault, FaultKind

NOTICE = 30.0  # seconds that a spot VM has at most


class Power:
    """Use it under the core's lock."""

    def __init__(self, core: Core, vms: Vms, operations: Operations) -> None:
        self._core = core
        self._vms = vms
        self._operations = operations

    def stop(self, key: str, verb: str = "stop") -> OperationRecord:
        """Power it off; it keeps name, labels and disks."""
        vm = self._vms.get(key)
        going, gone = ("STOPPING", "TERMINATED")
        if verb == "suspend":
            going, gone = ("SUSPENDING", "SUSPENDED")
        vm = self._vms.set(vm, status=going)
        operation = self._vms.begin(verb, vm)
        self._core.driver.stop(vm.id)

        def stopped(vm: VmRecord, operation: OperationRecord) -> None:
            self._vms.set(vm, status=gone, stopped_at=self._core.clock.now())
            self._operations.end(operation.name)

        self._vms.move_on(self._core.delays.vm_stopping, vm, stopped, operation)
        return operation

    def start(self, key: str, verb: str = "start") -> OperationRecord:
        """Boot it again, at another external address."""
        vm = self._vms.get(key)
        if vm.status not in ("TERMINATED", "SUSPENDED", "STOPPED", "RUNNING"):
            raise _not_ready(vm)
        operation = self._vms.begin(verb, vm)
        if vm.status == "RUNNING":
            self._operations.end(operation.name)
        else:
            self._vms.stage(vm, operation)
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
        vm = self._vms.set(vm, status="STOPPING")
        self._core.driver.stop(vm.id, notice=min(notice, NOTICE), preempted=True)

        def gone(vm: VmRecord, operation: OperationRecord) -> None:
            if deletes:
                self._vms.remove(vm, operation)
            else:
                self._vms.set(
                    vm, status="TERMINATED", stopped_at=self._core.clock.now()
                )

        self._vms.move_on(min(notice, NOTICE), vm, gone, operation)

    def strike(self) -> None:
        """Faults that take what lives, once their time has come."""
        for vm in self._vms.all():
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


def _not_ready(vm: VmRecord) -> Refusal:
    return Refusal("not-ready", f"The resource '{vm.path}' is not ready")
