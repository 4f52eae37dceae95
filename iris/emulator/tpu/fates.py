"""What happens to a slice that lives: power, and what the cloud does to it."""

from __future__ import annotations

from msgspec.structs import replace

from iris.emulator.core import Core
from iris.emulator.errors import Refusal
from iris.emulator.faults import FaultKind
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.records import Operation, State, TpuSlice
from iris.emulator.tpu.slices import Slices
from iris.emulator.tpu.views import SLICE_TYPE
from iris.emulator.tpu.words import BAD, bad_state, busy, was_preempted

RETRY = 1.0  # seconds until SSH connections are looked for again


class Fates:
    """Use it under the core's lock."""

    def __init__(self, core: Core, slices: Slices, operations: Operations) -> None:
        self._core = core
        self._slices = slices
        self._operations = operations
        self._cutting: set[str] = set()  # ids of those whose next try is due
        slices.hooks.on_booted = self._strike

    # -- power -----------------------------------------------------------------------

    def stop(self, tpu: TpuSlice) -> Operation:
        """Power a single VM off; slices of several cannot."""
        if len(tpu.vms) > 1:
            raise Refusal("not-ready", f"{BAD} stop is not supported for pods")
        tpu = self._turned("stop", tpu, State.READY, State.STOPPING)
        self._core.driver.stop(tpu.vms[0].id)
        self._slices.later(self._core.delays.vm_stopping, tpu, self._stopped)
        return self._operations.get(tpu.project, tpu.zone, tpu.operation)

    def start(self, tpu: TpuSlice) -> Operation:
        """Power it on again; one that was taken does not come back."""
        tpu = self._turned("start", tpu, State.STOPPED, State.STARTING)
        for vm in self._slices.driven(tpu):
            self._core.driver.boot(vm)
        self._slices.later(self._core.delays.vm_staging, tpu, self._started)
        return self._operations.get(tpu.project, tpu.zone, tpu.operation)

    def resume(self) -> None:
        """After a restart of the emulator: what was under way goes on."""
        steps = {State.STOPPING: self._stopped, State.STARTING: self._started}
        for tpu in self._slices.all():
            if tpu.taken_at and tpu.state in (State.CREATING, State.READY):
                self._take_back_later(tpu)
            elif tpu.state in steps:
                self._slices.later(0.0, tpu, steps[State(tpu.state)])

    def _turned(self, verb: str, tpu: TpuSlice, must: State, to: State) -> TpuSlice:
        if tpu.operation:
            raise busy()
        if tpu.state != must:
            raise bad_state(verb, tpu.state)
        operation = self._slices.begin(verb, tpu)
        return self._slices.put(replace(tpu, state=to, operation=operation.id))

    def _stopped(self, tpu: TpuSlice) -> None:
        self._settle(replace(tpu, state=State.STOPPED))

    def _started(self, tpu: TpuSlice) -> None:
        self._settle(replace(tpu, state=State.READY))

    def _settle(self, tpu: TpuSlice) -> None:
        response = {"@type": SLICE_TYPE, **self._slices.view(tpu)}
        self._operations.end(tpu.operation, response=response)
        self._slices.put(replace(tpu, operation=""))

    # -- faults ----------------------------------------------------------------------

    def strike(self) -> None:
        """Faults that take what lives, once their time has come."""
        for tpu in self._slices.all():
            if _is_up(tpu):
                self._strike(tpu)

    def _strike(self, tpu: TpuSlice) -> None:
        take, driver = self._slices.take, self._core.driver
        fault = take(tpu, "", FaultKind.PREEMPTION)
        if fault is not None:
            self.preempt(tpu, fault.notice)
            return
        if take(tpu, "", FaultKind.MAINTENANCE) is not None:
            tpu = self._slices.put(replace(tpu, health="UNHEALTHY_MAINTENANCE"))
            for vm in tpu.vms:
                driver.maintain(vm.id, "TERMINATE_ON_HOST_MAINTENANCE")
        for worker, vm in enumerate(tpu.vms):
            if self._slices.struck(tpu, "DEAD_WORKER", worker):
                driver.kill_processes(vm.id)
        self._cut(tpu)

    def _cut(self, tpu: TpuSlice) -> None:
        """Connections to it, where there are some; later where there are none yet."""
        if not self._slices.is_planned(tpu, FaultKind.SSH_CUT):
            return
        if sum(self._core.driver.cut_ssh(vm.id) for vm in tpu.vms):
            self._slices.take(tpu, "", FaultKind.SSH_CUT)
        elif tpu.id not in self._cutting:
            self._cutting.add(tpu.id)
            self._core.later.after(RETRY, lambda: self._cut_again(tpu))

    def _cut_again(self, tpu: TpuSlice) -> None:
        self._cutting.discard(tpu.id)
        now = self._slices.find(tpu.project, tpu.zone, tpu.name)
        if now is not None and now.id == tpu.id and _is_up(now):
            self._cut(now)

    def preempt(self, tpu: TpuSlice, notice: float) -> None:
        """The cloud takes it back; it stays listed until somebody deletes it."""
        if not _is_up(tpu):
            return
        taken_at = self._core.clock.now() + notice
        tpu = self._slices.put(replace(tpu, taken_at=taken_at))
        for vm in tpu.vms:
            self._core.driver.stop(vm.id, notice=notice, preempted=True)
        self._take_back_later(tpu)

    def _take_back_later(self, tpu: TpuSlice) -> None:
        def due() -> None:
            now = self._slices.find(tpu.project, tpu.zone, tpu.name)
            # READY meanwhile or not, it is taken; deleted meanwhile, it is not
            is_there = now is not None and now.id == tpu.id
            if now is not None and is_there and now.state != State.DELETING:
                self._take_back(now)

        left = tpu.taken_at - self._core.clock.now()
        self._core.later.after(max(left, 0.0), due)

    def _take_back(self, tpu: TpuSlice) -> None:
        if tpu.operation:
            self._operations.end(tpu.operation, error=was_preempted())
        tpu = self._slices.put(replace(tpu, state=State.PREEMPTED, operation=""))
        self._slices.hooks.on_preempted(tpu)


def _is_up(tpu: TpuSlice) -> bool:
    # its VMs boot, and may be taken, before the slice says READY
    is_up = tpu.is_booted and tpu.state in (State.CREATING, State.READY)
    return is_up and not tpu.taken_at
