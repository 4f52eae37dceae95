"""Slices: what each call changes at once, and how they move on by themselves."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from msgspec.structs import replace

from iris.domain.accelerators import CATALOGUE
from iris.emulator.errors import Refusal, missing, taken
from iris.emulator.faults import Fault, FaultKind
from iris.emulator.ledger import Entry
from iris.emulator.machines import Vm
from iris.emulator.parts import Parts
from iris.emulator.tpu.attributes import vm_of
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.records import Json, Operation, SliceVm, State, TpuSlice
from iris.emulator.tpu.views import SLICE_TYPE, slice_view
from iris.emulator.tpu.wishes import Wish, no_capacity, require_quota, type_of


class Slices:
    """All slices; use it under the core's lock."""

    def __init__(self, parts: Parts, operations: Operations) -> None:
        self.on_preempted: Callable[[TpuSlice], None] = lambda _: None
        self.on_ready: Callable[[TpuSlice], None] = lambda _: None
        self._parts = parts
        self._core = parts.core
        self._operations = operations
        self._shelf = parts.core.shelf("tpu", TpuSlice)

    # -- looking ---------------------------------------------------------------------

    def get(self, project: str, zone: str, name: str) -> TpuSlice:
        """The slice. Raises a 404."""
        found = self._shelf.find(f"{project}/{zone}/{name}")
        if found is None:
            raise missing(f"projects/{project}/locations/{zone}/nodes/{name}")
        return found

    def find(self, project: str, zone: str, name: str) -> TpuSlice | None:
        """The slice, None where there is none."""
        return self._shelf.find(f"{project}/{zone}/{name}")

    def listed(self, project: str, zone: str) -> list[TpuSlice]:
        """Those of a zone, of all zones for `-`."""
        found = [
            s for s in self._shelf if s.project == project and zone in ("-", s.zone)
        ]
        return sorted(found, key=lambda each: (each.zone, each.name))

    def view(self, tpu: TpuSlice) -> Json:
        """As the API writes it."""
        account = self._parts.projects.default_account(tpu.project)
        bare = self.take(tpu, "get", FaultKind.BARE_ENDPOINTS)
        strange = self.take(tpu, "get", FaultKind.UNKNOWN_STATE)
        view = slice_view(tpu, account, bare=bare is not None)
        return view | ({"state": "FROBNICATING"} if strange else {})

    def all(self) -> list[TpuSlice]:
        """Every slice of every project."""
        return list(self._shelf)

    # -- coming ----------------------------------------------------------------------

    def create(self, wish: Wish) -> Operation:
        """One more slice. Raises 400s, 409s, 429s; a stockout comes later."""
        type_ = type_of(wish)
        former = self.find(wish.project, wish.zone, wish.name)
        if former is not None:
            raise taken(former.path)
        require_quota(self._parts, wish, type_, list(self._shelf))
        tpu = self._made(wish, type_)
        operation = self.begin("create", tpu)
        tpu = self.put(replace(tpu, operation=operation.id))
        self._open(tpu)
        stockout = self.take(tpu, "create", FaultKind.STOCKOUT)
        if stockout is not None:
            delay = stockout.seconds or self._core.delays.stockout
            self.later(delay, tpu, lambda s: self._fail(s, no_capacity(s.zone)))
        else:
            self.later(self._core.delays.tpu_create, tpu, self._boot)
        return operation

    def _made(self, wish: Wish, type_: str) -> TpuSlice:
        made, core = CATALOGUE[type_], self._core
        network = wish.body.get("networkConfig") or {}
        vms = []
        for _ in range(made.vms):
            number = str(core.next_number())
            internal, external = core.driver.take_address(number)
            external = external if network.get("enableExternalIps") else ""
            vms.append(SliceVm(number, internal, external))
        return TpuSlice(
            id=str(core.next_number()),
            project=wish.project,
            zone=wish.zone,
            name=wish.name,
            asked=wish.body,
            accelerator=type_,
            topology=made.topology,
            created_at=core.clock.now(),
            mark=secrets.token_hex(4),
            vms=tuple(vms),
            queued=wish.queued,
            set_index=wish.set_index,
            set_size=wish.set_size,
        )

    def _fail(self, tpu: TpuSlice, status: Json) -> None:
        self._drop(tpu)
        self._operations.end(tpu.operation, error=status)

    def _boot(self, tpu: TpuSlice) -> None:
        workers = range(len(tpu.vms))
        lacking = tuple(w for w in workers if self.struck(tpu, "PARTIAL_SLICE", w))
        blank = tuple(w for w in workers if self.struck(tpu, "NO_INDEX", w))
        tpu = self.put(replace(tpu, is_booted=True, lacking=lacking, blank=blank))
        for worker, vm in enumerate(self.driven(tpu)):
            if worker not in lacking:
                late = self.struck(tpu, "LATE_METADATA", worker)
                delay = late.seconds if late else 0.0
                self._core.driver.boot(replace(vm, metadata_delay=delay))
        self.later(self._core.delays.tpu_ready, tpu, self._ready)

    def _ready(self, tpu: TpuSlice) -> None:
        tpu = self.put(replace(tpu, state=State.READY))
        self.on_ready(tpu)
        late = self.take(tpu, "operation", FaultKind.LATE_OPERATION)
        if late is None or late.seconds:
            delay = late.seconds if late else self._core.delays.tpu_operation
            self.later(delay, tpu, self._finish)

    def _finish(self, tpu: TpuSlice) -> None:
        response = {"@type": SLICE_TYPE, **self.view(tpu)}
        self._operations.end(tpu.operation, response=response)
        self.put(replace(tpu, operation=""))

    # -- going -----------------------------------------------------------------------

    def delete(self, tpu: TpuSlice, request_id: str = "") -> Operation:
        """Give it back, whatever it does."""
        if tpu.state == State.DELETING:
            raise busy()
        if tpu.operation:
            aborted = {"code": 10, "message": "The operation was aborted."}
            self._operations.end(tpu.operation, error=aborted)
        operation = self.begin("delete", tpu, request_id)
        tpu = self.put(replace(tpu, state=State.DELETING, operation=operation.id))
        for vm in tpu.vms:
            self._core.driver.stop(vm.id)
        self.later(self._core.delays.tpu_delete, tpu, self._gone)
        return operation

    def _gone(self, tpu: TpuSlice) -> None:
        self._drop(tpu)
        self._operations.end(tpu.operation)

    def _drop(self, tpu: TpuSlice) -> None:
        for vm in tpu.vms:
            self._core.driver.delete(vm.id)
        self._shelf.drop(f"{tpu.project}/{tpu.zone}/{tpu.name}")
        self._parts.ledger.closed("slice", tpu.id)
        self._core.changed.notify_all()

    # -- steps -------------------------------------------------------------------------

    def driven(self, tpu: TpuSlice) -> tuple[Vm, ...]:
        """Its VMs as the driver boots them."""
        project = self._parts.projects.get(tpu.project)
        workers = range(len(tpu.vms))
        made = (vm_of(tpu, worker, project.number) for worker in workers)
        return tuple(replace(vm, project_attributes=project.metadata) for vm in made)

    def resume(self) -> tuple[Vm, ...]:
        """After a restart of the emulator: move on, and say which VMs should be up."""
        for tpu in self._shelf:
            if tpu.state == State.CREATING:
                self.later(0.0, tpu, self._ready if tpu.is_booted else self._boot)
            elif tpu.state == State.DELETING:
                self.later(0.0, tpu, self._gone)
            elif tpu.operation:
                self.later(0.0, tpu, self._finish)
        up = [s for s in self._shelf if s.is_booted and s.state == State.READY]
        return tuple(
            vm
            for tpu in up
            for worker, vm in enumerate(self.driven(tpu))
            if worker not in tpu.lacking
        )

    def later(
        self, delay: float, tpu: TpuSlice, step: Callable[[TpuSlice], None]
    ) -> None:
        """Take a step after a while, unless something else happened to it."""

        def due() -> None:
            now = self.find(tpu.project, tpu.zone, tpu.name)
            # deleted or taken meanwhile: that has its own way
            if now is not None and (now.id, now.state) == (tpu.id, tpu.state):
                step(now)

        self._core.later.after(delay, due)

    def put(self, tpu: TpuSlice) -> TpuSlice:
        """Keep what changed about a slice."""
        self._shelf.put(f"{tpu.project}/{tpu.zone}/{tpu.name}", tpu)
        is_billed = tpu.state == State.READY
        self._parts.ledger.moved("slice", tpu.id, str(tpu.state), is_billed=is_billed)
        self._core.changed.notify_all()
        return tpu

    def _open(self, tpu: TpuSlice) -> None:
        wanted = tpu.asked.get("schedulingConfig") or {}
        capacity = "reserved" if wanted.get("reserved") else "on-demand"
        entry = Entry(
            kind="slice",
            id=tpu.id,
            name=tpu.name,
            project=tpu.project,
            zone=tpu.zone,
            type=tpu.accelerator,
            capacity="spot" if tpu.is_spot else capacity,
            labels=dict(tpu.asked.get("labels") or {}),
            state=str(tpu.state),
            created_at=tpu.created_at,
        )
        self._parts.ledger.opened(entry)

    def take(self, tpu: TpuSlice, verb: str, *kinds: FaultKind) -> Fault | None:
        """A fault of these kinds that names the slice."""
        return self._core.faults.take(
            *kinds,
            api="tpu",
            verb=verb,
            zone=tpu.zone,
            type=tpu.accelerator,
            name=tpu.name,
        )

    def struck(self, tpu: TpuSlice, kind: str, worker: int) -> Fault | None:
        """A fault of this kind that names one of its VMs."""
        return self._core.faults.take(
            FaultKind[kind],
            api="tpu",
            zone=tpu.zone,
            type=tpu.accelerator,
            name=tpu.name,
            worker=worker,
        )

    def begin(self, verb: str, tpu: TpuSlice, request_id: str = "") -> Operation:
        """An operation on a slice."""
        return self._operations.begin(
            verb, tpu.project, tpu.zone, tpu.path, request_id=request_id
        )


def busy() -> Refusal:
    """Another operation is under way on it."""
    return Refusal("aborted", "unable to queue the operation")
