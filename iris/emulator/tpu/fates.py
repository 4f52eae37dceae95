"""What happens to a slice that lives: power, updates, and what the cloud does to it."""

from __future__ import annotations

from msgspec.structs import replace

from iris.emulator.core import Core
from iris.emulator.errors import Refusal
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.records import Json, Operation, State, TpuSlice
from iris.emulator.tpu.slices import Slices, busy
from iris.emulator.tpu.views import SLICE_TYPE

_IDLE = frozenset({State.READY, State.STOPPED, State.PREEMPTED, State.TERMINATED})
_UPDATABLE = ("description", "tags", "labels", "metadata", "networkConfig", "dataDisks")


class Fates:
    """Use it under the core's lock."""

    def __init__(self, core: Core, slices: Slices, operations: Operations) -> None:
        self._core = core
        self._slices = slices
        self._operations = operations

    def stop(self, tpu: TpuSlice) -> Operation:
        """Power a single VM off; slices of several cannot."""
        if len(tpu.vms) > 1:
            words = "Cloud TPU received a bad request. stop is not supported for pods"
            raise Refusal("not-ready", words)
        operation = self._slices.begin("stop", self._require_idle(tpu))
        self._slices.put(replace(tpu, state=State.STOPPED, is_booted=False))
        self._core.driver.stop(tpu.vms[0].id)
        self._operations.end(operation.id)
        return operation

    def start(self, tpu: TpuSlice) -> Operation:
        """Power it on again; one that was taken does not come back."""
        if tpu.state != State.STOPPED:
            raise _bad_state("start", tpu)
        operation = self._slices.begin("start", tpu)
        for vm in self._slices.driven(tpu):
            self._core.driver.boot(vm)
        tpu = self._slices.put(replace(tpu, state=State.READY, is_booted=True))
        response = {"@type": SLICE_TYPE, **self._slices.view(tpu)}
        self._operations.end(operation.id, response=response)
        return operation

    def update(self, tpu: TpuSlice, body: Json, mask: list[str]) -> Operation:
        """Other labels, tags, metadata. Raises a 400 while it comes up or goes."""
        fields = [_camel(each.split(".")[0]) for each in mask]
        wrong = [each for each in fields if each not in _UPDATABLE]
        if wrong or not fields:
            raise Refusal("invalid", f"Invalid update_mask: {','.join(mask)}")
        if tpu.state != State.READY:
            raise _bad_state("update", tpu)
        if tpu.operation:
            raise busy()
        changes = {field: body.get(field) or {} for field in fields}
        operation = self._slices.begin("update", tpu)
        tpu = self._slices.put(replace(tpu, asked={**tpu.asked, **changes}))
        for vm in self._slices.driven(tpu):
            self._core.driver.update(vm)
        response = {"@type": SLICE_TYPE, **self._slices.view(tpu)}
        self._operations.end(operation.id, response=response)
        return operation

    # -- faults ----------------------------------------------------------------------

    def strike(self) -> None:
        """Faults that take what lives, once their time has come."""
        kinds = (FaultKind.PREEMPTION, FaultKind.MAINTENANCE, FaultKind.SSH_CUT)
        for tpu in self._slices.all():
            # its VMs boot, and may be taken, before the slice says READY
            if not tpu.is_booted or tpu.state not in (State.CREATING, State.READY):
                continue
            fault = self._slices.take(tpu, "", *kinds)
            if fault is not None:
                self._suffer(tpu, fault)
            for worker, vm in enumerate(tpu.vms):
                if self._slices.struck(tpu, "DEAD_WORKER", worker):
                    self._core.driver.kill_processes(vm.id)

    def _suffer(self, tpu: TpuSlice, fault: Fault) -> None:
        if fault.kind is FaultKind.PREEMPTION:
            self.preempt(tpu, fault.notice)
        elif fault.kind is FaultKind.MAINTENANCE:
            self._slices.put(replace(tpu, health="UNHEALTHY_MAINTENANCE"))
            for vm in tpu.vms:
                self._core.driver.maintain(vm.id, "TERMINATE_ON_HOST_MAINTENANCE")
        else:
            for vm in tpu.vms:
                self._core.driver.cut_ssh(vm.id)

    def preempt(self, tpu: TpuSlice, notice: float) -> None:
        """The cloud takes it back; it stays listed until somebody deletes it."""
        for vm in tpu.vms:
            self._core.driver.stop(vm.id, notice=notice, preempted=True)

        def taken_back(now: TpuSlice) -> None:
            if now.operation:
                words = "update is not supported while in state PREEMPTED"
                status = {"code": 3, "message": words}
                self._operations.end(now.operation, error=status)
            gone = replace(now, state=State.PREEMPTED, operation="")
            now = self._slices.put(gone)
            self._slices.on_preempted(now)

        def due() -> None:
            now = self._slices.find(tpu.project, tpu.zone, tpu.name)
            # READY meanwhile or not, it is taken; deleted meanwhile, it is not
            is_there = now is not None and now.id == tpu.id
            if now is not None and is_there and now.state != State.DELETING:
                taken_back(now)

        self._core.later.after(notice, due)

    def _require_idle(self, tpu: TpuSlice) -> TpuSlice:
        if tpu.state not in _IDLE or tpu.operation:
            raise busy()
        return tpu


def _bad_state(verb: str, tpu: TpuSlice) -> Refusal:
    return Refusal(
        "not-ready",
        f"Cloud TPU received a bad request. {verb} is not supported while in state "
        f"{tpu.state} [EID: 0x7c1d5e0b8a94f263]",
    )


def _camel(words: str) -> str:
    first, *rest = words.split("_")
    return first + "".join(word.title() for word in rest)
